"""Errors and slopes of the convergence page, against NumPy and against theory."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest

import ees
from ees import Experiment
from ees.diagnostics import Brackets, brackets, expected_orders, recovery_order
from ees.questions.convergence import COUNTS, FINE, FINER


THETA, MU, SIGMA, Y0 = 1.5, 0.25, 0.5, 2.0
OU = {"parameters": {"theta": THETA, "mu": MU, "sigma": SIGMA, "y0": Y0}, "horizon": 3.0}
PATHS = 8


def _run(**fields):
    report = ees.run(Experiment(view="convergence", **fields))
    (plot,) = report.plots
    return report, plot, {series.key: series for series in plot.series}


def _values(experiment):
    """`(PATHS, FINE + 1)`: paths of the experiment's law, one for each key."""
    keys = [jr.fold_in(jr.key(experiment.seed), i) for i in range(PATHS)]
    if experiment.hurst == 0.5:
        drivers = [ees.BrownianPath(k, 0.0, 3.0, FINE, (1,), lattice=FINE) for k in keys]
    else:
        hurst = experiment.hurst
        drivers = [
            ees.FractionalBrownian(k, hurst, 0.0, 3.0, FINE, (1,), lattice=FINE) for k in keys
        ]
    return np.stack([np.asarray(driver.values)[:, 0] for driver in drivers])


def _exact(values):
    """The solution for straight lines between the lattice's points."""
    dt, ys = 3.0 / FINE, [np.full(len(values), Y0)]
    decay = np.exp(-THETA * dt)
    for slope in np.diff(values, axis=1).T / dt:
        level = MU + SIGMA * slope / THETA
        ys.append(level + (ys[-1] - level) * decay)
    return np.array(ys)


@pytest.mark.parametrize("hurst", [0.5, 0.7])
def test_the_errors_are_those_of_an_independent_computation(hurst, butcher_step):
    fields = {**OU, "seed": 3, "hurst": hurst, "choices": {"samples": PATHS}}
    fields["schemes"] = ("EES25", "Heun")
    values = _values(Experiment(**fields))
    exact = _exact(values)
    strong, weak, pathwise = (_run(part=p, **fields)[2] for p in ("strong", "weak", "pathwise"))
    for name in fields["schemes"]:
        table = ees.SCHEMES[name]().tableau
        for i, n in enumerate(sorted(COUNTS, reverse=True)):
            ws = values[:, :: FINE // n]
            ys = [np.full(PATHS, Y0)]
            for dw in np.diff(ws, axis=1).T:
                drift, diffusion = (lambda t, y: THETA * (MU - y)), (lambda t, y: SIGMA)
                ys.append(butcher_step(table, drift, diffusion, 0.0, ys[-1], 3.0 / n, dw))
            off = np.array(ys) - exact[:: FINE // n]
            shared = np.abs(off[:: n // 6]).max(axis=0)
            gains = ys[-1] ** 2 - exact[-1] ** 2
            wanted = {
                "strong": (strong, np.sqrt(np.mean(off[-1] ** 2))),
                "weak": (weak, abs(gains.mean())),
                "pathwise": (pathwise, np.exp(np.log(shared).mean())),
            }
            for curves, error in wanted.values():
                np.testing.assert_allclose(curves[name].x[i], 3.0 / n, rtol=1e-14)
                np.testing.assert_allclose(curves[name].y[i], error, rtol=1e-8, atol=1e-10)
            # The ends of an interval that reaches 0 are drawn at the bottom.
            width = 1.959963984540054 * gains.std(ddof=1) / np.sqrt(PATHS)
            high = abs(gains.mean()) + width
            np.testing.assert_allclose(weak[name].high[i], high, rtol=1e-8, atol=1e-10)
            low = max(abs(gains.mean()) - width, np.finfo(float).eps / 100)
            np.testing.assert_allclose(weak[name].low[i], low, rtol=1e-8, atol=1e-10)


def test_an_ode_has_its_global_error_and_no_band(butcher_step):
    _, plot, curves = _run(part="strong", model="kepler", horizon=10.0, schemes=("EES25", "RK4"))
    end = np.array([np.cos(10), np.sin(10), -np.sin(10), np.cos(10)])

    def pull(t, y):
        return np.concatenate([y[2:], -y[:2] / np.linalg.norm(y[:2]) ** 3])

    def rest(t, y):
        return np.zeros(4)

    for name in ("EES25", "RK4"):
        table = ees.SCHEMES[name]().tableau
        assert curves[name].low is None and len(curves[name].x) == len(FINER)
        for n in (30, 84, 252):
            y, h = np.array([1.0, 0.0, 0.0, 1.0]), 10.0 / n
            for _ in range(n):
                y = butcher_step(table, pull, rest, 0.0, y, h, 0.0)
            found = curves[name].y[np.isclose(curves[name].x, h)]
            np.testing.assert_allclose(found, np.linalg.norm(y - end), rtol=1e-6, atol=1e-10)
    assert "EES(2,5) 2.0" in plot.caption and "(theory 2)" in plot.caption
    assert "(theory 4)" in plot.caption and "paths" not in plot.caption
    guides = [s for s in plot.series if s.key.startswith("guide")]
    slopes = [np.diff(np.log(s.y)) / np.diff(np.log(s.x)) for s in guides]
    np.testing.assert_allclose(np.ravel(slopes), [2.0, 4.0], rtol=1e-12)


def test_against_evaluations_the_same_errors_stand_at_what_they_cost():
    fields = {"part": "pathwise", "model": "kepler", "schemes": ("EES25", "EES27")}
    _, _, over_h = _run(**fields)
    _, plot, curves = _run(choices={"effort": "evaluations"}, **fields)
    assert plot.x.label == "field evaluations" and plot.cursor is None
    for name, each in (("EES25", 3), ("EES27", 4)):
        np.testing.assert_array_equal(curves[name].x, each * np.array(FINER))
        np.testing.assert_array_equal(curves[name].y, over_h[name].y[::-1])
    assert "(theory -2)" in plot.caption


def test_another_kind_of_error_or_axis_measures_nothing_again():
    experiment = Experiment(view="convergence", part="strong", model="kepler", schemes=("Heun",))
    ees.run(experiment)
    for change in ({"part": "pathwise"}, {"choices": {"effort": "evaluations"}}, {"steps": 24}):
        (only,) = ees.stream(dataclasses.replace(experiment, **change))
        assert only.done == only.total == 1
    # The weak error is of the drawn component.
    other = dataclasses.replace(experiment, part="weak", component=1)
    assert next(ees.stream(other)).done == 0


def test_what_does_not_converge_or_stays_finite_is_said():
    parameters = {"mu": -0.5, "sigma": 0.75}
    fields = {"model": "geometric_brownian_motion", "parameters": parameters}
    report, plot, _ = _run(part="strong", schemes=("Euler",), choices={"samples": 16}, **fields)
    assert any("Euler is not expected to converge here" in m for m in report.messages)
    assert not any(s.key.startswith("guide") for s in plot.series)
    # The double well throws paths out to infinity at coarse steps.
    report, _, curves = _run(
        part="strong", model="double_well", schemes=("RK4",), choices={"samples": 16}
    )
    assert any("of 16 paths did not stay finite" in m for m in report.messages)
    assert len(curves["RK4"].x) < len(COUNTS)


def _of(model, **fields):
    experiment = Experiment(model=model, **fields)
    reference = experiment.reference()[:: 20160 // 8]
    driver = experiment.problem("RK4", 2).driver
    noise = driver.values.shape[1:] if hasattr(driver, "values") else None
    ts = np.linspace(0.0, experiment.horizon, 9)
    return brackets(experiment.subject.field, noise, ts, reference)


def test_the_brackets_of_models_are_those_found_by_hand():
    # y' = theta (mu - y) + sigma dW: [g, f] = -theta sigma, and that is constant.
    assert _of("ornstein_uhlenbeck") == Brackets(True, drift_area=True)
    # A cubic force has a second derivative.
    assert _of("double_well") == Brackets(True, drift_area=True, curved=True)
    # Drift and diffusion are multiples of y.
    assert _of("geometric_brownian_motion") == Brackets(True, felt=True, corrected=True)
    # cos(y) and sin(y): their bracket is 1, and (cos^2 + sin^2)' / 2 is 0.
    assert _of("rough") == Brackets(True, felt=True, area=True)
    assert _of("kepler") == Brackets(False)


@pytest.mark.parametrize("hurst", [0.4, 0.5, 0.6])
def test_the_orders_are_those_of_the_papers(hurst):
    rough = Brackets(True, felt=True, area=True)
    for name, m in (("EES25", 5), ("EES27", 7), ("RK4", 5)):
        scheme = ees.SCHEMES[name]()
        assert expected_orders(scheme, rough, hurst)[0] == pytest.approx(2 * hurst - 0.5)
        assert recovery_order(scheme, True, hurst) == pytest.approx((m + 1) * hurst - 1)
        assert recovery_order(scheme, False) == m
    assert recovery_order(ees.ReversibleHeun(), True, hurst) == np.inf


def test_the_orders_of_ordinary_and_brownian_equations():
    ode, additive = Brackets(False), Brackets(True, drift_area=True, curved=True)
    alone, areas = Brackets(True, felt=True, corrected=True), Brackets(True, True, True, True)
    wanted = {
        "Euler": ((1, 1), (1, 1), (0, 0), (0, 0)),
        "EES25": ((2, 2), (1, 1), (1, 1), (0.5, 1)),
        "Kutta3": ((3, 3), (1, 1), (1, 1), (0.5, 1)),
        "RK4": ((4, 4), (1, 1), (2, 2), (0.5, 1)),
        "ReversibleHeun": ((2, 2), (1, 1), (1, 1), (0.5, 1)),
        "McCallumFoster": ((1, 1), (1, 1), (0, 0), (0, 0)),
        "McCallumFosterMidpoint": ((2, 2), (1, 1), (1, 1), (0.5, 1)),
        "AsynchronousLeapfrog": ((2, 2), (1, 1), (1, 1), (0.5, 1)),
        "ImplicitMidpoint": ((2, 2), (1, 1), (1, 1), (0.5, 1)),
    }
    for name, orders in wanted.items():
        scheme = ees.SCHEMES[name]()
        assert tuple(expected_orders(scheme, of) for of in (ode, additive, alone, areas)) == orders
    assert np.isnan(expected_orders(ees.EES25(), additive, 0.4)[1])


def test_measured_slopes_are_the_expected_ones(slope):
    fields = {"model": "geometric_brownian_motion", "horizon": 1.0, "hurst": 0.6}
    _, _, curves = _run(part="pathwise", schemes=("EES25", "RK4"), **fields)
    for name in ("EES25", "RK4"):
        order, _ = expected_orders(ees.SCHEMES[name](), _of(fields["model"]), 0.6)
        assert slope(curves[name].x[:6], curves[name].y[:6]) == pytest.approx(order, abs=0.12)
