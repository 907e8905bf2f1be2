"""From a request to its answer, off the event loop: latest wins, cancel keeps what is there.

A computation is an iterator of reports. A thread asks for each piece: what answers a slider
computes it, what takes long has a process of its own. Between two pieces the event loop is free,
and a run that is no longer wanted stops.
"""

import asyncio
import dataclasses
import math
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.worker import LANES, Worker
from ees import Experiment, stream
from ees.results import Report


def _step_back() -> None:
    # Only Linux has priorities of threads; elsewhere this would be that of the whole process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)


# Two pools, so that nobody's slider waits behind somebody's sweep.
_QUICK = ThreadPoolExecutor(2, thread_name_prefix="quick")
_STEADY = ThreadPoolExecutor(LANES, thread_name_prefix="steady", initializer=_step_back)
_WORKER = Worker()

# Seconds between two pictures of one run: a browser that draws more often than it can falls behind,
# and another session's slider waits for each of them.
_PACE = 0.8


class Finished:
    """Reports that are complete, by experiment; the oldest go when they are too large together.

    A report is a pure result: all sessions share them.

    **Arguments:** `most`: bytes of arrays that are kept.
    """

    def __init__(self, most: int):
        self._most, self._spent = most, 0
        self._reports: OrderedDict[str, Report] = OrderedDict()

    def __len__(self):
        return len(self._reports)

    def get(self, experiment: Experiment) -> Report | None:
        """The report of an experiment, if it is kept."""
        name = _name(experiment)
        if name in self._reports:
            self._reports.move_to_end(name)
        return self._reports.get(name)

    def keep(self, experiment: Experiment, report: Report) -> None:
        """Keeps the report of an experiment."""
        name = _name(experiment)
        if name in self._reports or _size(report) > self._most:
            return
        self._reports[name] = report
        self._spent += _size(report)
        while self._spent > self._most:
            _, oldest = self._reports.popitem(last=False)
            self._spent -= _size(oldest)


_FINISHED = Finished(64 << 20)


class Computation:
    """One session's computation: at most one answer is wanted at a time, the newest.

    **Arguments:** `show(experiment, report)`: is called on the event loop with every report
    that is newer than what was shown; `fail(experiment, error)`: with what went wrong.
    """

    def __init__(
        self,
        show: Callable[[Experiment, Report], None],
        fail: Callable[[Experiment, Exception], None],
    ):
        self._show, self._fail = show, fail
        self._newest = 0
        self._shown = 0

    def cancel(self) -> None:
        """Stops after the piece that is being computed; what was shown stays."""
        self._newest += 1

    def close(self) -> None:
        """Stops, and shows nothing any more: a document whose reader has left cannot be drawn in."""
        self.cancel()
        self._show = self._fail = lambda experiment, what: None

    async def run(self, experiment: Experiment, steady: bool) -> bool:
        """Computes an experiment and shows it piece by piece.

        **Returns:** whether it got to the end; not, if it was cancelled, overtaken or failed.
        """
        self._newest += 1
        mine = self._newest
        pool = _STEADY if steady else _QUICK
        kept = _FINISHED.get(experiment)
        if kept is not None:
            self._shown = mine
            self._show(experiment, kept)
            return True
        loop = asyncio.get_running_loop()
        reports = _WORKER.stream(experiment) if steady else stream(experiment)

        def advance():
            # A request that was overtaken while it waited for a thread is not even begun.
            return next(reports, None) if mine == self._newest else None

        waiting, last, shown_at = None, None, -math.inf
        while True:
            try:
                report = await loop.run_in_executor(pool, advance)
                failure = None
            except Exception as error:  # Whatever it is, the user hears of it.
                report, failure = None, error
            waiting, last = (waiting, last) if report is None else (report, report)
            due = report is None or loop.time() - shown_at > _PACE
            if due and waiting is not None and mine >= self._shown:
                self._shown = mine
                self._show(experiment, waiting)
                waiting, shown_at = None, loop.time()
            if failure is not None and mine == self._newest:
                self._fail(experiment, failure)
            if report is None:
                complete = failure is None and mine == self._newest
                if complete and last is not None and last.done == last.total:
                    _FINISHED.keep(experiment, last)
                return complete


def soon(experiment: Experiment, seconds: float) -> Report | None:
    """The first report of an experiment if it comes within so many seconds, for which it waits."""
    kept = _FINISHED.get(experiment)
    if kept is not None:
        return kept
    try:
        return _QUICK.submit(next, stream(experiment)).result(seconds)
    except Exception:  # Too late, or wrong: whoever computes it in full will hear of that.
        return None


async def apart(function: Callable, *arguments):
    """The result of a function, computed in a thread of the steady pool."""
    return await asyncio.get_running_loop().run_in_executor(_STEADY, function, *arguments)


def _name(experiment: Experiment) -> str:
    """An experiment without what its question does not ask about."""
    asked = experiment.question.choices
    choices = {name: value for name, value in experiment.choices.items() if name in asked}
    return dataclasses.replace(experiment, choices=choices).to_json()


def _size(report: Report) -> int:
    drawn = (part for plot in report.plots for part in (*plot.series, *plot.regions))
    values = (value for part in drawn for value in vars(part).values())
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))
