"""A process that holds one library's contestants and runs them when asked.

One library each, so that none warms another's caches, and so that each may have an environment
of its own. Asks and answers are lines of JSON.
"""

import argparse
import base64
import gc
import importlib
import json
import os
import sys
import time

import numpy as np

from tests.benchmarks.work import Work


class Worker:
    """Answers by the name of a method; programs are known by their number."""

    def __init__(self, library: str):
        self.library = importlib.import_module(f"tests.benchmarks.{library}")
        self.programs = {}

    def device(self):
        return self.library.device()

    def load(self, contestant: str, task: str, work: dict):
        number = len(self.programs)
        made = self.library.CONTESTANTS[contestant]
        self.programs[number] = self.library.Program(made, Work(**work), task)
        return number

    def compile(self, program: int):
        """Seconds to trace and compile it afresh."""
        return _timed(self.programs[program].compile)

    def costs(self, program: int):
        return self.programs[program].facts()

    def run(self, program: int, repeats: int):
        """Seconds of one run, averaged over so many in a row."""
        run = self.programs[program].run

        def several():
            for _ in range(repeats):
                run()

        return {clock: seconds / repeats for clock, seconds in _timed(several).items()}

    def result(self, program: int):
        found = np.asarray(self.programs[program].result(), np.float64)
        return base64.b64encode(found.tobytes()).decode()

    def compilations(self, program: int):
        return self.programs[program].compilations()

    def drop(self, program: int):
        self.programs[program] = None
        gc.collect()


def _timed(action):
    """Processor time of the process, all threads together, and time on the wall."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("--cores", help="numbers of the cores to stay on, with commas")
    options = parser.parse_args()
    if options.cores and hasattr(os, "sched_setaffinity"):
        # Before a library starts its threads: they inherit it, and are as many as the cores.
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(options.library)
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = {"answer": getattr(worker, ask.pop("ask"))(**ask)}
        # A contestant that fails is a result; the others go on.
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
