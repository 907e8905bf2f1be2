"""Phase portraits, ensembles and critical steps are those of independent computations."""

import dataclasses
import math

import jax.random as jr
import numpy as np
import pytest

import ees
from ees import Experiment
from ees.drivers import LATTICE
from ees.questions.critical import critical_steps
from ees.questions.ensemble import _fan


OU = {"theta": 1.5, "mu": 0.25, "sigma": 0.5, "y0": 2.0}
COUNT, SEED, STEPS, HORIZON = 220, 7, 36, 2.0


def _curves(plot):
    return {series.key: series for series in plot.series}


def _path(i):
    """The Brownian path number `i` of the seed, from its normals."""
    normals = np.asarray(jr.normal(jr.fold_in(jr.key(SEED), i), (LATTICE, 1)))[:, 0]
    return np.concatenate([[0.0], np.cumsum(normals)]) * math.sqrt(HORIZON / LATTICE)


def _many(ws, butcher_step, name):
    """All paths of a scheme: `(paths, steps + 1)`."""
    table, h = ees.SCHEMES[name]().tableau, HORIZON / STEPS
    drift = lambda t, y: OU["theta"] * (OU["mu"] - y)  # noqa: E731
    ys = [np.full(COUNT, OU["y0"])]
    for dw in np.diff(ws[:, :: LATTICE // STEPS], axis=1).T:
        ys.append(butcher_step(table, drift, lambda t, y: OU["sigma"], 0.0, ys[-1], h, dw))
    return np.array(ys).T


def _exact(ws):
    """The exact solution for straight lines between the lattice's points, every 80th of them."""
    dt, y = HORIZON / LATTICE, np.full(COUNT, OU["y0"])
    found = [y]
    for n, dw in enumerate(np.diff(ws, axis=1).T, 1):
        level = OU["mu"] + OU["sigma"] * dw / dt / OU["theta"]
        y = level + (y - level) * math.exp(-OU["theta"] * dt)
        if n % 80 == 0:
            found.append(y)
    return np.array(found).T


def test_an_ensemble_is_that_of_an_independent_computation(butcher_step):
    experiment = Experiment(
        part="ensemble",
        parameters=OU,
        horizon=HORIZON,
        seed=SEED,
        steps=STEPS,
        schemes=("EES25", "RK4"),
        choices={"paths": COUNT},
    )
    reports = list(ees.stream(experiment))
    assert [report.done for report in reports] == sorted(report.done for report in reports)
    fan, end = reports[-1].plots
    ws = np.array([_path(i) for i in range(COUNT)])
    exact = _exact(ws)
    low, high = exact.min(), exact.max()
    window = low - (high - low) / 2, high + (high - low) / 2
    np.testing.assert_allclose(fan.window, window, atol=1e-10)
    wanted = {name: _many(ws, butcher_step, name) for name in experiment.schemes}
    for name, ys in {"reference": exact, **wanted}.items():
        curve, ranked = _curves(fan)[name], np.sort(ys, axis=0)
        np.testing.assert_allclose(curve.x, np.linspace(0, HORIZON, ys.shape[1]), atol=1e-12)
        np.testing.assert_allclose(curve.y, ys.mean(axis=0), rtol=0, atol=1e-10)
        # 11 of 220 paths are 5 per cent.
        np.testing.assert_allclose(curve.low, ranked[10], rtol=0, atol=1e-10)
        np.testing.assert_allclose(curve.high, ranked[208], rtol=0, atol=1e-10)
        bars = _curves(end)[name]
        width = (window[1] - window[0]) / len(bars.x)
        for centre, density in zip(bars.x, bars.y):
            inside = np.abs(ys[:, -1] - centre) < width / 2
            np.testing.assert_allclose(density, inside.mean() / width, rtol=0, atol=1e-10)
        said = f"{ys[:, -1].mean():.3g} ({ranked[10, -1]:.3g} to {ranked[208, -1]:.3g})"
        assert said in fan.caption


def test_another_step_size_sees_the_same_paths():
    def reference(steps, seed):
        experiment = Experiment(
            part="ensemble", steps=steps, seed=seed, schemes=("EES25",), choices={"paths": 10}
        )
        fan, _ = ees.run(experiment).plots
        return _curves(fan)["reference"].y

    assert (reference(36, 1) == reference(80, 1)).all()
    assert (reference(36, 1) != reference(36, 2)).any()


def test_a_path_that_is_no_number_counts_as_far_out_on_either_side():
    y = np.arange(20.0)[:, None] * np.ones(3)
    y[3, 1], y[4, 2], y[5, 2] = np.inf, np.nan, -np.inf
    mean, low, high = _fan(y)
    assert mean[0] == 9.5 and np.isnan(mean[1:]).all()
    # One of 20 is the 5 per cent that a band may leave out; two are more.
    assert low.tolist() == [0, -np.inf, -np.inf]
    assert high.tolist() == [18, 19, np.inf]


def test_paths_that_blow_up_are_counted_and_said():
    experiment = Experiment(
        part="ensemble",
        model="stochastic_lorenz",
        schemes=("ReversibleHeun",),
        choices={"paths": 12},
    )
    report = ees.run(experiment)
    curve = _curves(report.plots[0])["ReversibleHeun"]
    lost = np.flatnonzero(np.isnan(curve.y))[0]
    assert np.isnan(curve.y[lost:]).all() and lost > 10
    low, high = report.plots[0].window
    assert curve.high[-1] > high and curve.low[-1] < low
    assert report.messages[0].startswith("Reversible Heun: 12 of 12 paths (100%) left the window")
    assert report.messages[0].endswith("; 12 did not stay finite.")
    assert not _curves(report.plots[1])["ReversibleHeun"].y.any()
    assert "Reversible Heun 100%" in report.plots[1].caption


def test_without_noise_an_ensemble_is_one_path_and_says_so():
    experiment = Experiment(part="ensemble", model="kepler", schemes=("RK4",))
    report = ees.run(experiment)
    assert report.messages == ("Kepler has no noise: all paths are the same one.",)
    curve = _curves(report.plots[0])["RK4"]
    assert (curve.low == curve.y).all() and (curve.high == curve.y).all()


@pytest.mark.parametrize("component, against", [(0, 1), (1, 0)])
def test_a_phase_portrait_is_that_of_an_independent_computation(component, against):
    parameters = {"lambda_re": -0.7, "lambda_im": 3.0, "mu_re": 0.2, "mu_im": -0.4}
    experiment = Experiment(
        part="phase",
        model="linear_test",
        parameters=parameters,
        steps=60,
        seed=3,
        schemes=("EES25", "RK4"),
        component=component,
        choices={"against": against},
    )
    (plot,) = ees.run(experiment).plots
    ws = np.asarray(experiment.problem("EES25", 60).driver.values).reshape(-1)
    h, drift, noise = experiment.horizon / 60, -0.7 + 3.0j, 0.2 - 0.4j
    ts = np.arange(61) * h
    start = complex(*np.asarray(experiment.subject.y0))
    for name in experiment.schemes:
        table = ees.SCHEMES[name]().tableau
        ys = [start]
        for dw in np.diff(ws[:: LATTICE // 60]):
            z = drift * h + noise * dw
            stages = np.linalg.solve(np.eye(len(table.b)) - z * table.a, np.ones(len(table.b)))
            ys.append(ys[-1] * (1 + z * table.b @ stages))
        parts = np.real(ys), np.imag(ys)
        curve = _curves(plot)[name]
        np.testing.assert_allclose(curve.x, parts[component], rtol=0, atol=1e-10)
        np.testing.assert_allclose(curve.y, parts[against], rtol=0, atol=1e-10)
        np.testing.assert_allclose(curve.times, ts, atol=1e-12)
    exact = _curves(plot)["reference"]
    cells = np.round(exact.times / h * (LATTICE // 60)).astype(int)
    wanted = start * np.exp(drift * exact.times + noise * ws[cells])
    np.testing.assert_allclose(exact.x, (wanted.real, wanted.imag)[component], rtol=0, atol=1e-10)
    header = ("series", "solution [1]", "solution [1]", "time [1]")
    assert plot.header == header and all(len(row) == 4 for row in plot.rows())


@pytest.mark.parametrize(
    "fields, said",
    [({}, "one component"), ({"model": "kepler", "component": 1}, "two different components")],
)
def test_a_phase_portrait_that_cannot_be_drawn_says_why(fields, said):
    report = ees.run(Experiment(part="phase", schemes=("EES25",), **fields))
    assert said in report.messages[0] and report.plots[0].series == ()


def test_one_scale_for_both_axes_where_both_components_are_of_one_kind():
    def square(component, against):
        experiment = Experiment(
            part="phase",
            model="kepler",
            schemes=("EES25",),
            component=component,
            choices={"against": against},
        )
        return ees.run(experiment).plots[0].square

    assert square(0, 1) and square(2, 3) and not square(0, 2)


def test_critical_steps_are_said_once_computed_and_mark_what_is_beyond():
    # h theta = 2.9 is beyond the limit of RK4, 2.785, and not that of EES(2,5), 3.087.
    experiment = Experiment(
        parameters={"theta": 29.0, "y0": 1.75}, horizon=8.0, steps=80, schemes=("EES25", "RK4")
    )
    first, last = ees.stream(experiment)
    assert "Critical step" not in first.plots[0].caption
    (found,) = critical_steps(experiment)
    assert found.steps["EES25"] == pytest.approx(3.0873780 / 29, rel=1e-6)
    assert found.steps["RK4"] == pytest.approx(2.7852936 / 29, rel=1e-6)
    assert "EES(2,5) 0.1065, RK4 0.09604." in last.plots[0].caption
    assert last.messages[-1] == "RK4: h = 0.1 is beyond its critical step, 0.09604."
    # Another step size knows them at once, and another parameter does not.
    assert len(list(ees.stream(dataclasses.replace(experiment, steps=96)))) == 1
    assert len(list(ees.stream(dataclasses.replace(experiment, parameters={"theta": 28.0})))) == 2
