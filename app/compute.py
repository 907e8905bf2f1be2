"""From a request to its answer, off the event loop: latest wins, cancel keeps what is there.

A computation is an iterator of reports. Each piece runs in a thread of a shared pool; between
two pieces the event loop is free, and a run that is no longer wanted stops.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ees import Experiment, stream
from ees.results import Report


# Two pools, so that nobody's slider waits behind somebody's sweep.
_QUICK = ThreadPoolExecutor(2, thread_name_prefix="quick")
_STEADY = ThreadPoolExecutor(2, thread_name_prefix="steady")


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

        while True:
            try:
                report = await loop.run_in_executor(pool, advance)
            except (ValueError, FloatingPointError, MemoryError, RuntimeError) as error:
                if mine > self._shown:
                    self._fail(experiment, error)
                return False
            if report is None:
                return mine == self._newest
            if mine < self._shown:
                return False
            self._shown = mine
            self._show(experiment, report)


async def apart(function: Callable, *arguments):
    """The result of a function, computed in a thread of the steady pool."""
    return await asyncio.get_running_loop().run_in_executor(_STEADY, function, *arguments)
