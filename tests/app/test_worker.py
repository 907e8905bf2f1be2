"""Long computations in a process of their own: the same reports, errors that arrive, no leaks."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import ees
from app.worker import Ended, Worker


GRADIENTS = ees.Experiment(
    view="gradients", model="ornstein_uhlenbeck", schemes=("EES25",), horizon=1.0, steps=20
)


@pytest.fixture(scope="module")
def worker():
    made = Worker()
    yield made
    made.close()


def test_reports_are_those_of_this_process(worker):
    found, wanted = list(worker.stream(GRADIENTS)), list(ees.stream(GRADIENTS))
    assert [r.done for r in found] == [r.done for r in wanted] and len(found) > 1
    assert found[-1].messages == wanted[-1].messages
    for there, here in zip(found[-1].plots, wanted[-1].plots, strict=True):
        assert there.caption == here.caption
        for one, other in zip(there.series, here.series, strict=True):
            # The errors of gradients reach down to the rounding of numbers of size 1.
            np.testing.assert_allclose(one.y, other.y, rtol=1e-3, atol=1e-11)


def test_two_streams_are_computed_side_by_side_and_keep_apart(worker):
    seeds, found = (3, 4), {}

    def follow(seed):
        experiment = ees.Experiment(seed=seed, steps=20, schemes=("EES25",))
        found[seed] = [report.plots[0].series[1].y for report in worker.stream(experiment)]

    threads = [threading.Thread(target=follow, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for seed in seeds:
        experiment = ees.Experiment(seed=seed, steps=20, schemes=("EES25",))
        np.testing.assert_allclose(found[seed][-1], ees.run(experiment).plots[0].series[1].y)


def test_an_error_arrives_and_the_process_lives(worker):
    process = worker.start().process
    broken = ees.Experiment()
    object.__setattr__(broken, "model", "nobody's")
    with pytest.raises(RuntimeError, match="nobody's"):
        next(worker.stream(broken))
    assert next(worker.stream(ees.Experiment(steps=20))).plots
    assert worker.start().process is process


def test_who_drops_a_stream_waits_for_nothing(worker):
    reports = worker.stream(GRADIENTS)
    next(reports)
    begun = time.monotonic()
    reports.close()
    assert time.monotonic() - begun < 0.5
    assert not worker.start().asked


def test_a_process_that_was_killed_is_told_of_and_another_one_takes_its_place():
    worker = Worker()
    process = worker.start().process
    failed = []

    def follow():
        try:
            list(worker.stream(GRADIENTS))
        except Ended as error:
            failed.append(str(error))

    thread = threading.Thread(target=follow)
    thread.start()
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    thread.join(60)
    assert failed == ["the process that computes has ended."]
    assert next(worker.stream(ees.Experiment(steps=20))).plots
    assert worker.start().process is not process
    worker.close()


def test_it_ends_with_the_app_whatever_it_computes():
    worker = Worker()
    running = worker.start()
    reports = worker.stream(ees.Experiment(steps=20))
    next(reports)
    thread = threading.Thread(target=lambda: pytest.raises(Ended, list, worker.stream(GRADIENTS)))
    thread.start()
    time.sleep(0.2)
    worker.close()
    assert running.process.returncode == 0
    thread.join(10)
    assert not thread.is_alive()
