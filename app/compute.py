"""From a request to its answer, off the event loop: latest wins, cancel keeps what is there.

A computation is an iterator of reports. Each piece runs in a thread of a shared pool; between
two pieces the event loop is free, and a run that is no longer wanted stops.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ees import Experiment, stream
from ees.results import Report


# Two pools, so that nobody's slider waits behind somebody's sweep.
_QUICK = ThreadPoolExecutor(2, thread_name_prefix="quick")
_STEADY = ThreadPoolExecutor(2, thread_name_prefix="steady")

# Seconds between two pictures of one run: a browser that draws more often than it can falls behind.
_PACE = 0.2


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

    async def run(self, experiment: Experiment, steady: bool) -> bool:
        """Computes an experiment and shows it piece by piece.

        **Returns:** whether it got to the end; not, if it was cancelled, overtaken or failed.
        """
        self._newest += 1
        mine = self._newest
        pool = _STEADY if steady else _QUICK
        loop = asyncio.get_running_loop()
        reports = stream(experiment)

        def advance():
            # A request that was overtaken while it waited for a thread is not even begun.
            return next(reports, None) if mine == self._newest else None

        waiting, shown_at = None, -math.inf
        while True:
            try:
                report = await loop.run_in_executor(pool, advance)
                failure = None
            except (ValueError, FloatingPointError, MemoryError, RuntimeError) as error:
                report, failure = None, error
            waiting = waiting if report is None else report
            due = report is None or loop.time() - shown_at > _PACE
            if due and waiting is not None and mine >= self._shown:
                self._shown = mine
                self._show(experiment, waiting)
                waiting, shown_at = None, loop.time()
            if failure is not None and mine == self._newest:
                self._fail(experiment, failure)
            if report is None:
                return failure is None and mine == self._newest


async def apart(function: Callable, *arguments):
    """The result of a function, computed in a thread of the steady pool."""
    return await asyncio.get_running_loop().run_in_executor(_STEADY, function, *arguments)
