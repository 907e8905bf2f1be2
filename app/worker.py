"""A process beside the app for what takes long.

Python runs one thread at a time, and tracing a program takes it for seconds: in the process that
serves, one user's long computation would hold up the sliders of all others. Requests and answers
are pickles over the process's own input and output, which nobody else can reach.
"""

import contextlib
import itertools
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from app.programs import prepare
from ees import Experiment, stream
from ees.results import Report


LANES = 2
"""How many computations run side by side."""

_POLITENESS = 10


class Ended(RuntimeError):
    """The process is gone, for want of memory perhaps; the next request starts another."""


class _Running(NamedTuple):
    process: subprocess.Popen
    asked: dict[int, Future]


class Worker:
    """The process as the app sees it: started when first wanted, shared by all sessions."""

    def __init__(self):
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def stream(self, experiment: Experiment) -> Iterator[Report]:
        """As `ees.stream`, computed there; to be asked by one thread at a time.

        **Raises:** what the computation raises, as a `RuntimeError`; `Ended`.
        """
        number, running = next(self._numbers), self.start()
        try:
            while (report := self._send(running, number, experiment).result()) is not None:
                yield report
        finally:
            # Nobody waits for an answer to that: whoever drops a stream may be the event loop.
            with contextlib.suppress(Ended):
                self._send(running, number, None)

    def start(self) -> _Running:
        """Starts the process unless it runs."""
        with self._lock:
            if self._running is None or self._running.process.poll() is not None:
                process = subprocess.Popen(
                    [sys.executable, "-m", "app.worker"],
                    cwd=pathlib.Path(__file__).parents[1],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    # The app itself may hold most of a graphics card's memory.
                    env={**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
                )
                self._running = _Running(process, {})
                threading.Thread(target=self._listen, args=self._running, daemon=True).start()
            return self._running

    def close(self) -> None:
        """Ends the process; the next request starts another."""
        with self._lock:
            if self._running is not None:
                self._running.process.stdin.close()
                self._running.process.wait()
                self._running = None

    def _send(self, running, number, experiment) -> Future:
        """Asks for the next report of a stream, which is `None` after the last; or drops it."""
        future = Future()
        with self._lock:
            try:
                pickle.dump((number, experiment), running.process.stdin)
                running.process.stdin.flush()
            except (OSError, ValueError):  # broken, or closed
                raise Ended("the process that computes has ended.") from None
            if experiment is not None:
                running.asked[number] = future
        return future

    def _listen(self, process, asked) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, report, error = pickle.load(process.stdout)
                with self._lock:
                    future = asked.pop(number)
                if error is None:
                    future.set_result(report)
                else:
                    future.set_exception(RuntimeError(error))
        process.stdout.close()
        # Its output ends a moment before it does: who asks next would be given it once more.
        process.kill()
        process.wait()
        with self._lock:
            with contextlib.suppress(OSError):
                process.stdin.close()
            for future in asked.values():
                future.set_exception(Ended("the process that computes has ended."))


def main() -> None:
    """What runs there, until nobody is left to ask."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Who stops the app by a key stops what started this, and that is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_POLITENESS)
    prepare()
    streams, writing = {}, threading.Lock()

    def answer(number, experiment):
        report = error = None
        try:
            report = next(streams.setdefault(number, stream(experiment)), None)
        except Exception as caught:
            error = str(caught)
        with writing:
            pickle.dump((number, report, error), answers)
            answers.flush()

    lanes = ThreadPoolExecutor(LANES)
    with contextlib.suppress(EOFError):
        while True:
            number, experiment = pickle.load(sys.stdin.buffer)
            if experiment is None:
                streams.pop(number, None)
            else:
                lanes.submit(answer, number, experiment)
    os._exit(0)


if __name__ == "__main__":
    main()
