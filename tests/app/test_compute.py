"""Latest wins, a cancelled run keeps what it showed, and nothing older overwrites a newer answer."""

import asyncio
import threading
import time

import numpy as np
import pytest

import ees
from app import compute
from ees.results import Axis, Plot, Report, Series


AXIS = Axis("time", "t")


def _experiment(seed):
    return ees.Experiment(seed=seed)


class Script:
    """Stands in for the numerics: each seed has its own pace and number of reports."""

    def __init__(self, monkeypatch, paces):
        self.begun = []
        self.release = threading.Event()

        def stream(experiment):
            self.begun.append(experiment.seed)
            pace, count = paces[experiment.seed]
            for done in range(count):
                time.sleep(pace)
                if pace == 0 and done == 1 and count == 2:
                    raise ValueError("the second piece fails")
                yield Report((), (f"{experiment.seed}",), done + 1, count)

        monkeypatch.setattr(compute, "stream", stream)
        monkeypatch.setattr(compute._WORKER, "stream", stream)
        monkeypatch.setattr(compute, "_PACE", 0.0)
        monkeypatch.setattr(compute, "_FINISHED", compute.Finished(1 << 20))
        self.shown, self.failed = [], []
        self.computation = compute.Computation(
            lambda experiment, report: self.shown.append((experiment.seed, report.done)),
            lambda experiment, error: self.failed.append((experiment.seed, str(error))),
        )


def test_every_report_of_a_run_is_shown_in_order(monkeypatch):
    script = Script(monkeypatch, {1: (0.001, 5)})
    assert asyncio.run(script.computation.run(_experiment(1), steady=True))
    assert script.shown == [(1, done) for done in range(1, 6)]


def test_a_slow_old_answer_never_overwrites_a_newer_one(monkeypatch):
    script = Script(monkeypatch, {1: (0.15, 4), 2: (0.001, 1)})

    async def both():
        old = asyncio.ensure_future(script.computation.run(_experiment(1), steady=True))
        await asyncio.sleep(0.05)
        new = await script.computation.run(_experiment(2), steady=False)
        return await old, new

    old, new = asyncio.run(both())
    assert new and not old
    assert script.shown[-1] == (2, 1)
    assert (1, 1) not in script.shown[script.shown.index((2, 1)) :]


def test_a_drag_computes_the_newest_and_not_what_was_overtaken_while_it_waited(monkeypatch):
    script = Script(monkeypatch, {seed: (0.03, 1) for seed in range(20)})

    async def drag():
        await asyncio.gather(
            *(script.computation.run(_experiment(seed), steady=False) for seed in range(20))
        )

    asyncio.run(drag())
    assert script.shown[-1] == (19, 1)
    assert len(script.begun) <= 3


def test_a_cancelled_run_stops_and_what_it_showed_stays(monkeypatch):
    script = Script(monkeypatch, {1: (0.05, 100)})

    async def cancelled():
        run = asyncio.ensure_future(script.computation.run(_experiment(1), steady=True))
        await asyncio.sleep(0.2)
        script.computation.cancel()
        return await run

    assert not asyncio.run(cancelled())
    assert 1 <= len(script.shown) < 20
    assert [done for _, done in script.shown] == list(range(1, len(script.shown) + 1))


@pytest.mark.parametrize("leave, shown", [("cancel", [(1, 1)]), ("close", [])])
def test_the_piece_under_way_is_shown_to_who_cancels_and_not_to_who_has_left(
    monkeypatch, leave, shown
):
    script = Script(monkeypatch, {1: (0.1, 2)})

    async def left():
        run = asyncio.ensure_future(script.computation.run(_experiment(1), steady=True))
        await asyncio.sleep(0.02)
        getattr(script.computation, leave)()
        return await run

    assert not asyncio.run(left())
    assert script.shown == shown and script.failed == []


def test_a_run_that_fails_keeps_what_it_showed_and_says_why(monkeypatch):
    script = Script(monkeypatch, {1: (0, 2)})
    assert not asyncio.run(script.computation.run(_experiment(1), steady=True))
    assert script.shown == [(1, 1)]
    assert script.failed == [(1, "the second piece fails")]


def test_a_failure_that_was_overtaken_is_not_reported(monkeypatch):
    script = Script(monkeypatch, {1: (0, 2), 2: (0.001, 1)})

    async def both():
        old = asyncio.ensure_future(script.computation.run(_experiment(1), steady=True))
        await asyncio.sleep(0)
        await script.computation.run(_experiment(2), steady=False)
        await old

    asyncio.run(both())
    assert script.failed == []
    assert script.shown[-1] == (2, 1)


def test_pictures_come_at_a_pace_and_the_last_one_always_comes(monkeypatch):
    script = Script(monkeypatch, {1: (0.001, 60)})
    monkeypatch.setattr(compute, "_PACE", 0.03)
    asyncio.run(script.computation.run(_experiment(1), steady=True))
    assert script.shown[0] == (1, 1) and script.shown[-1] == (1, 60)
    assert len(script.shown) < 30


def test_sliders_answer_while_every_thread_for_long_work_is_busy(monkeypatch):
    release = threading.Event()

    def stream(experiment):
        if experiment.seed >= 100:
            release.wait()
        yield Report((), (), 1, 1)

    monkeypatch.setattr(compute, "stream", stream)
    monkeypatch.setattr(compute._WORKER, "stream", stream)
    monkeypatch.setattr(compute, "_FINISHED", compute.Finished(1 << 20))
    shown = []

    def computation():
        return compute.Computation(lambda e, report: shown.append(e.seed), None)

    async def sessions():
        dear = [
            asyncio.ensure_future(computation().run(_experiment(seed), steady=True))
            for seed in range(100, 106)
        ]
        await asyncio.sleep(0)
        for seed in range(20):
            assert await computation().run(_experiment(seed), steady=False)
        answered = list(shown)
        release.set()
        await asyncio.gather(*dear)
        return answered

    assert asyncio.run(sessions()) == list(range(20))
    assert sorted(shown[20:]) == list(range(100, 106))


def test_a_run_that_is_cancelled_while_a_piece_is_computed_begins_no_other(monkeypatch):
    begun, first, release = [], threading.Event(), threading.Event()

    def stream(experiment):
        for done in (1, 2, 3):
            begun.append(done)
            first.set()
            release.wait()
            yield Report((), (), done, 3)

    monkeypatch.setattr(compute, "stream", stream)
    monkeypatch.setattr(compute._WORKER, "stream", stream)
    monkeypatch.setattr(compute, "_FINISHED", compute.Finished(1 << 20))
    computation = compute.Computation(lambda e, report: None, None)

    async def cancelled():
        run = asyncio.ensure_future(computation.run(_experiment(1), steady=True))
        await asyncio.to_thread(first.wait)
        computation.cancel()
        release.set()
        return await run

    assert not asyncio.run(cancelled())
    assert begun == [1]
    assert len(compute._FINISHED) == 0


def test_what_was_computed_comes_back_at_once_in_every_session(monkeypatch):
    script = Script(monkeypatch, {1: (0.001, 3), 2: (0.001, 1)})
    other = compute.Computation(lambda e, report: script.shown.append("other"), None)

    async def visits():
        for seed in (1, 2, 1):
            assert await script.computation.run(_experiment(seed), steady=True)
        assert await other.run(_experiment(1), steady=True)

    asyncio.run(visits())
    assert script.begun == [1, 2]
    assert script.shown == [(1, 1), (1, 2), (1, 3), (2, 1), (1, 3), "other"]


def test_a_result_that_comes_back_is_not_overwritten_by_a_run_that_it_overtook(monkeypatch):
    script = Script(monkeypatch, {1: (0.001, 1), 2: (0.1, 4)})

    async def visits():
        await script.computation.run(_experiment(1), steady=True)
        slow = asyncio.ensure_future(script.computation.run(_experiment(2), steady=True))
        await asyncio.sleep(0.03)
        await script.computation.run(_experiment(1), steady=True)
        assert not await slow

    asyncio.run(visits())
    assert script.shown == [(1, 1), (1, 1)]


def test_finished_reports_are_told_apart_by_what_their_question_asks_and_the_oldest_go():
    def report(points):
        x = np.zeros(points)
        plot = Plot("k", "", AXIS, AXIS, (Series("RK4", "RK4", x, x),))
        return Report((plot,))

    kept = compute.Finished(3 * 1600)
    for seed in range(3):
        kept.keep(_experiment(seed), report(100))
    # Asked for again, the first is no longer the oldest.
    assert kept.get(_experiment(0)) is not None
    kept.keep(_experiment(3), report(100))
    assert [kept.get(_experiment(seed)) is not None for seed in range(4)] == [
        True,
        False,
        True,
        True,
    ]
    kept.keep(_experiment(4), report(1000))
    assert kept.get(_experiment(4)) is None and len(kept) == 3
    # The number of paths is no part of what a time series shows.
    assert kept.get(ees.Experiment(seed=0, choices={"paths": 20})) is not None
    assert kept.get(ees.Experiment(seed=0, part="ensemble")) is None


@pytest.fixture(scope="module")
def process():
    yield
    compute._WORKER.close()


@pytest.mark.parametrize(
    "view, steady",
    [("paths", False), ("reversal", False), ("gradients", False), ("paths", True)],
)
def test_the_real_numerics_come_through_it(view, steady, monkeypatch, process):
    monkeypatch.setattr(compute, "_FINISHED", compute.Finished(1 << 20))
    shown = []
    computation = compute.Computation(lambda e, report: shown.append(report), None)
    experiment = ees.Experiment(view=view, model="kepler", schemes=("EES25",))
    assert asyncio.run(computation.run(experiment, steady=steady))
    for there, here in zip(shown[-1].plots, ees.run(experiment).plots, strict=True):
        for one, other in zip(there.series, here.series, strict=True):
            # Another process compiles for speed, and rounds otherwise.
            np.testing.assert_allclose(one.y, other.y, rtol=1e-9 * steady)
