"""Workers and rounds: every contestant of a race runs once in each round, taking turns.

What else the machine does falls on all of them alike, and ratios are taken within a round.
"""

import base64
import json
import math
import os
import pathlib
import subprocess

import numpy as np

from tests.benchmarks.plan import Race, library_of


ROOT = pathlib.Path(__file__).resolve().parents[2]

# A run that is shorter is repeated until it takes so many seconds: clocks and calls are not free.
_SHORTEST = 0.03


class Failed(Exception):
    """A contestant's own error, in its words."""


class Worker:
    """A process that holds one library; `ask` calls a method of `worker.Worker` there."""

    def __init__(self, python, library, cores=None, **environment):
        options = [] if cores is None else ["--cores", ",".join(map(str, cores))]
        self.process = subprocess.Popen(
            [str(python), "-m", "tests.benchmarks.worker", library, *options],
            cwd=ROOT,
            env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "0", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what, **arguments):
        self.process.stdin.write(json.dumps({"ask": what, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the process ended, asked to {what} {arguments}")
        found = json.loads(line)
        if "error" in found:
            raise Failed(found["error"])
        return found["answer"]

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def load(workers, contestant, task, work):
    """The worker of a contestant, and the number of its program there."""
    worker = workers[library_of(contestant)]
    return worker, worker.ask("load", contestant=contestant, task=task, work=vars(work))


def run_race(race: Race, workers: dict[str, Worker], rounds: int) -> list[dict]:
    """What each entry took: seconds of every round, in one order for all."""
    found, running = [], []
    for contestant, task, work in race.entries:
        if library_of(contestant) not in workers:
            continue
        entry = {"contestant": contestant, "task": task, "work": vars(work)}
        found.append(entry)
        try:
            worker, program = load(workers, contestant, task, work)
            compiles = range(race.compiles)
            entry["compile"] = [worker.ask("compile", program=program) for _ in compiles]
            entry.update(worker.ask("costs", program=program))
            if race.timed:
                # The first run warms up; the second tells how often to repeat.
                worker.ask("run", program=program, repeats=1)
                once = worker.ask("run", program=program, repeats=1)["cpu"]
                entry["repeats"] = max(1, math.ceil(_SHORTEST / max(once, 1e-6)))
                entry["runs"] = []
            running.append((entry, worker, program))
        except Failed as error:
            entry["error"] = str(error)
    for turn in range(rounds if race.timed else 0):
        # Another one begins each round, so that nobody always follows the same.
        first = turn % max(1, len(running))
        for entry, worker, program in running[first:] + running[:first]:
            entry["runs"].append(worker.ask("run", program=program, repeats=entry["repeats"]))
    for _, worker, program in running:
        worker.ask("drop", program=program)
    return found


def result(workers, contestant, task, work) -> np.ndarray:
    """What a contestant finds, flat, in float64."""
    worker, program = load(workers, contestant, task, work)
    worker.ask("compile", program=program)
    found = np.frombuffer(base64.b64decode(worker.ask("result", program=program)))
    worker.ask("drop", program=program)
    return found
