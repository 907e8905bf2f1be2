"""The numbers that are drawn are right, none is lost, and a moving slider computes few of them."""

import csv
import dataclasses
import io
import re

import jax.random as jr
import numpy as np
import pytest

import ees
from ees import Experiment
from ees.drivers import LATTICE
from ees.experiment import STEP_COUNTS
from ees.questions import CHOICES, VIEWS
from ees.questions.gradients import COUNTS as GRADIENT_COUNTS
from ees.questions.reversal import COUNTS as REVERSAL_COUNTS


PARTS = [(view, part) for view, parts in VIEWS.items() for part in parts]
THETA, MU, SIGMA, Y0 = 1.5, 0.25, 0.5, 2.0
OU = {"parameters": {"theta": THETA, "mu": MU, "sigma": SIGMA, "y0": Y0}, "horizon": 3.0}


def _kepler(view, part):
    return Experiment(model="kepler", view=view, part=part, schemes=("EES25", "ReversibleHeun"))


def _path(experiment, steps):
    """The Brownian path of an experiment's seed at the ends of so many steps: times and values."""
    values = np.asarray(experiment.problem("Heun", 2).driver.values)[:, 0]
    every = slice(None, None, LATTICE // steps)
    return np.linspace(0.0, experiment.horizon, LATTICE + 1)[every], values[every]


class ByHand:
    """The Ornstein-Uhlenbeck process in NumPy; complex parameters give exact derivatives."""

    def __init__(self, name, butcher_step):
        self.scheme, self._step = ees.SCHEMES[name](), butcher_step

    def start(self, y0=Y0):
        return y0 if isinstance(self.scheme, ees.RungeKutta) else (y0, y0)

    def value(self, state):
        return state if isinstance(self.scheme, ees.RungeKutta) else state[0]

    def step(self, state, dt, dw, theta=THETA, mu=MU, sigma=SIGMA):
        if isinstance(self.scheme, ees.RungeKutta):
            table = self.scheme.tableau
            drift, diffusion = (lambda t, y: theta * (mu - y)), (lambda t, y: sigma)
            return self._step(table, drift, diffusion, 0.0, state, dt, dw)
        y, v = state
        here = theta * (mu - v) * dt + sigma * dw
        following = 2 * y - v + here
        return y + (here + theta * (mu - following) * dt + sigma * dw) / 2, following

    def there(self, ts, ws):
        states = [self.start()]
        for dt, dw in zip(np.diff(ts), np.diff(ws)):
            states.append(self.step(states[-1], dt, dw))
        return states

    def back(self, ts, ws, state):
        states = [state]
        for dt, dw in zip(np.diff(ts)[::-1], np.diff(ws)[::-1]):
            states.append(self.step(states[-1], -dt, -dw))
        return states[::-1]


def _curves(plot):
    return {series.key: series for series in plot.series}


@pytest.mark.parametrize("equal", ["steps", "evaluations"])
def test_the_paths_are_those_of_an_independent_computation(equal, butcher_step):
    experiment = Experiment(**OU, steps=72, seed=11, equal=equal)
    (plot,) = ees.run(experiment).plots
    curves = _curves(plot)
    for name in experiment.schemes:
        ts, ws = _path(experiment, experiment.steps_of(name))
        hand = ByHand(name, butcher_step)
        ys = np.array([hand.value(state) for state in hand.there(ts, ws)])
        np.testing.assert_allclose(curves[name].x, ts, atol=1e-12)
        np.testing.assert_allclose(curves[name].y, ys, rtol=0, atol=1e-10)
    # The exact solution for the straight lines between the lattice's points.
    ts, ws = _path(experiment, LATTICE)
    dt, exact = ts[1], [Y0]
    decay = np.exp(-THETA * dt)
    for slope in np.diff(ws) / dt:
        level = MU + SIGMA * slope / THETA
        exact.append(level + (exact[-1] - level) * decay)
    every = slice(None, None, 10)
    np.testing.assert_allclose(curves["reference"].x, ts[every], atol=1e-12)
    np.testing.assert_allclose(curves["reference"].y, np.array(exact)[every], rtol=0, atol=1e-10)


def test_an_exact_solution_of_geometric_brownian_motion_is_its_formula():
    parameters = {"mu": -0.5, "sigma": 0.75, "y0": 1.25}
    experiment = Experiment(model="geometric_brownian_motion", parameters=parameters, seed=4)
    (plot,) = ees.run(experiment).plots
    ts, ws = _path(experiment, 2016)
    exact = 1.25 * np.exp(-0.5 * ts + 0.75 * ws)
    np.testing.assert_allclose(_curves(plot)["reference"].y, exact, rtol=0, atol=1e-10)


def test_the_reversal_errors_are_those_of_an_independent_computation(butcher_step):
    # 30 steps: some of the 501 points fall exactly between two steps.
    experiment = Experiment(**OU, view="reversal", steps=30, seed=11)
    along, against = (_curves(plot) for plot in ees.run(experiment).plots)
    for name in experiment.schemes:
        hand = ByHand(name, butcher_step)

        def errors(steps, hand=hand):
            ts, ws = _path(experiment, steps)
            there = hand.there(ts, ws)
            back = hand.back(ts, ws, there[-1])
            pairs = zip(there, back)
            return ts, np.array([abs(hand.value(a) - hand.value(b)) for a, b in pairs])

        ts, error = errors(30)
        at = np.round(along[name].x * 10).astype(int)
        np.testing.assert_allclose(along[name].x, ts[at], atol=1e-12)
        np.testing.assert_allclose(along[name].y, error[at], rtol=1e-9, atol=1e-10)
        if name == "EES25":
            # All but the end, where the error is 0 and has no logarithm.
            np.testing.assert_array_equal(at, np.arange(30))
        drawn = dict(zip(against[name].x, against[name].y))
        assert set(drawn) <= {3.0 / n for n in REVERSAL_COUNTS}
        for n in (n for n in REVERSAL_COUNTS if n <= 1260):
            # An error of exactly 0 is not drawn.
            wanted = errors(n)[1][0]
            np.testing.assert_allclose(drawn.get(3.0 / n, 0.0), wanted, rtol=1e-9, atol=1e-10)


def _gradients_by_hand(hand, ts, ws):
    """Reversible and exact gradient of |y(T)|^2 / 2 for (theta, mu, sigma, y0), a scalar state."""
    tiny = 1e-30

    def slopes(y, dt, dw):
        given = {"theta": THETA, "mu": MU, "sigma": SIGMA}
        for name in given:
            yield hand.step(y, dt, dw, **{**given, name: given[name] + 1j * tiny}).imag / tiny
        yield hand.step(y + 1j * tiny, dt, dw).imag / tiny

    there = hand.there(ts, ws)
    for states in (hand.back(ts, ws, there[-1]), there):
        gradient, adjoint = np.zeros(4), there[-1]
        for y, dt, dw in list(zip(states, np.diff(ts), np.diff(ws)))[::-1]:
            *parameters, through = slopes(y, dt, dw)
            gradient[:3] += adjoint * np.array(parameters)
            adjoint = adjoint * through
        gradient[3] = adjoint
        yield gradient


def test_the_gradient_errors_are_those_of_an_independent_computation(butcher_step):
    experiment = Experiment(**OU, view="gradients", seed=11, schemes=("EES25", "RK4"))
    error, cosine, signs = (_curves(plot) for plot in ees.run(experiment).plots)
    for name in experiment.schemes:
        hand = ByHand(name, butcher_step)
        counts = sorted(GRADIENT_COUNTS, reverse=True)
        np.testing.assert_allclose(error[name].x, 3.0 / np.array(counts), rtol=1e-14)
        for i, steps in enumerate(counts):
            g, exact = _gradients_by_hand(hand, *_path(experiment, steps))
            off = np.linalg.norm(g - exact) / np.linalg.norm(exact)
            angle = g @ exact / np.linalg.norm(g) / np.linalg.norm(exact)
            np.testing.assert_allclose(error[name].y[i], off, rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(cosine[name].y[i], angle, rtol=0, atol=1e-10)
            assert signs[name].y[i] == np.mean(np.sign(g) == np.sign(exact))


def test_a_path_that_blows_up_ends_where_it_leaves_the_window_with_a_message_and_a_mark(
    butcher_step,
):
    # h theta = 3.75 is beyond every explicit scheme here but not yet infinite.
    experiment = Experiment(parameters={"theta": 30.0}, horizon=10.0, steps=80, seed=2)
    report = ees.run(experiment)
    (plot,) = report.plots
    low, high = plot.window
    exact = experiment.reference()[:, 0]
    span = exact.max() - exact.min()
    np.testing.assert_allclose(plot.window, [exact.min() - span / 2, exact.max() + span / 2])
    for name in experiment.schemes:
        ts, ws = _path(experiment, 80)
        dts, ys = np.diff(ts), [2.0]
        hand = ByHand(name, butcher_step)
        state = hand.start(2.0)
        for dt, dw in zip(dts, np.diff(ws)):
            state = hand.step(state, dt, dw, theta=30.0, mu=0.0, sigma=0.5)
            ys.append(hand.value(state))
        inside = (np.array(ys) >= low) & (np.array(ys) <= high)
        assert not inside[-1]
        gone = np.flatnonzero(inside)[-1] + 1
        series = _curves(plot)[name]
        assert series.left[0] == pytest.approx(ts[gone], abs=1e-12)
        assert low < series.left[1] < high
        np.testing.assert_allclose(series.x, ts[: gone + 1], atol=1e-12)
        label = ees.SCHEMES[name]().name
        (message,) = (m for m in report.messages if m.startswith(f"{label} left the window at t ="))
        assert f"t = {ts[gone]:.4g}, with h = 0.125" in message


def test_a_path_that_is_no_longer_a_number_says_from_when_on():
    parameters = {"alpha": 20.0, "sigma": 3.0}
    experiment = Experiment(
        model="double_well", parameters=parameters, steps=24, schemes=("EES25",), seed=1
    )
    report = ees.run(experiment)
    message, *_ = report.messages
    solution = ees.solve(*experiment.problem("EES25", 24))
    when = float(solution.diverged_at)
    assert np.isfinite(when)
    assert message.endswith(f"; from t = {when:.4g} on it was no longer a finite number.")
    for series in report.plots[0].series:
        assert np.isfinite(series.y).all()


@pytest.mark.parametrize("view, part", PARTS)
def test_a_run_is_the_last_report_of_its_stream(view, part):
    experiment = _kepler(view, part)
    reports = list(ees.stream(experiment))
    last, run = reports[-1], ees.run(experiment)
    assert last.done == last.total and last.doing == ""
    assert all(r.doing or r.done == r.total for r in reports[:-1])
    assert [r.done for r in reports] == sorted(r.done for r in reports)
    assert run.messages == last.messages and len(run.plots) == len(last.plots)
    for one, other in zip(run.plots, last.plots):
        assert one.to_csv() == other.to_csv()
        assert (one.title, one.window, one.cursor) == (other.title, other.window, other.cursor)


@pytest.mark.parametrize("view, part", PARTS)
def test_the_blanks_are_the_plots_before_anything_is_known(view, part):
    report = ees.run(_kepler(view, part))
    blanks = VIEWS[view][part].blanks
    assert [plot.key for plot in report.plots] == [blank.key for blank in blanks]
    for plot, blank in zip(report.plots, blanks):
        for axis, before in ((plot.x, blank.x), (plot.y, blank.y)):
            assert (axis.label, axis.log) == (before.label, before.log)
        assert blank.series == () and blank.cursor is None
        assert len(plot.series) + len(plot.regions) >= 2
        assert all(s.x.dtype == s.y.dtype == np.float64 for s in plot.series)
        assert all(s.x.shape == s.y.shape and np.isfinite(s.y).all() for s in plot.series)


@pytest.mark.parametrize("view, part", PARTS)
def test_the_csv_has_every_point_of_every_curve_to_the_last_bit(view, part):
    report = ees.run(_kepler(view, part))
    for plot in report.plots:
        header, *rows = csv.reader(io.StringIO(plot.to_csv()))
        assert header[0] == "series"
        assert re.fullmatch(re.escape(plot.x.label) + r" \[.+\]", header[1])
        assert re.fullmatch(re.escape(plot.y.label) + r" \[.+\]", header[2])
        wanted = [(s.label, x, y) for s in plot.series for x, y in zip(s.x, s.y)]
        for r in plot.regions:
            wanted += [(r.label, x, y) for y in r.y for x in r.x]
        assert [(label, float(x), float(y)) for label, x, y, *_ in rows] == wanted
        if plot.regions:
            values = [float(row[3]) for row in rows if row[3]]
            assert values == [v for r in plot.regions for v in r.values.ravel()]


@pytest.mark.parametrize("view", ["reversal", "gradients"])
def test_a_move_of_the_step_slider_measures_nothing_again(view):
    experiment = Experiment(model="kepler", view=view, schemes=("EES25", "ReversibleHeun"), seed=9)
    first = list(ees.stream(experiment))[-1]
    for change in ({"steps": 240}, {"component": 2}, {"schemes": ("ReversibleHeun", "EES25")}):
        (moved,) = ees.stream(dataclasses.replace(experiment, **change))
        assert moved.done == moved.total == first.total
        kept = {s.key: s for s in moved.plots[-1].series}
        for series in first.plots[-1].series:
            np.testing.assert_array_equal(kept[series.key].y, series.y)
    # What does decide the numbers is measured anew.
    for change in ({"parameters": {"strength": 1.5}}, {"horizon": 9.0}, {"precision": "float32"}):
        assert next(ees.stream(dataclasses.replace(experiment, **change))).done == 0
    another = dataclasses.replace(experiment, schemes=("EES25", "RK4"))
    assert next(ees.stream(another)).done == first.total // 2


@pytest.mark.parametrize("view", ["paths", "reversal"])
def test_the_step_slider_compiles_nothing_over_its_whole_range(view, compilations):
    experiment = Experiment(model="double_well", view=view, schemes=("EES25", "ReversibleHeun"))
    ees.run(experiment)
    with compilations() as found:
        reports = [ees.run(dataclasses.replace(experiment, steps=n)) for n in STEP_COUNTS]
    assert len(found) == 0
    assert len({report.plots[0].title for report in reports}) == len(STEP_COUNTS)


def test_other_seeds_horizons_and_parameters_compile_nothing(compilations):
    experiment = Experiment(model="double_well", schemes=("EES25", "ReversibleHeun"))
    ees.run(experiment)
    ees.run(dataclasses.replace(experiment, hurst=0.6))
    with compilations() as found:
        seen = set()
        for change in (
            {"seed": 1},
            {"horizon": 3.5},
            {"hurst": 0.4},
            {"parameters": {"alpha": 1.5, "sigma": 0.2}},
            {"options": {"EES25": {"x": 0.25}}},
            {"equal": "evaluations"},
        ):
            (plot,) = ees.run(dataclasses.replace(experiment, **change)).plots
            seen.add(float(_curves(plot)["EES25"].y[-1]))
    assert len(found) == 0
    assert len(seen) == 6


def test_a_hurst_index_makes_the_path_rough_and_an_ode_does_not_feel_it():
    smooth = Experiment(model="double_well", seed=4)
    rough = dataclasses.replace(smooth, hurst=0.35)
    wanted = ees.FractionalBrownian(jr.key(4), 0.35, 0.0, rough.horizon, LATTICE, (1,))
    np.testing.assert_array_equal(rough.problem("Heun", 24).driver.values, wanted.values)
    # In float64 the other index is another path from the same normals, and the same equation.
    assert not np.allclose(rough.reference(), smooth.reference(), atol=1e-2)
    kepler = Experiment(model="kepler")
    np.testing.assert_array_equal(
        kepler.reference(), dataclasses.replace(kepler, hurst=0.35).reference()
    )


def test_float32_is_of_the_schemes_and_the_reference_stays_float64():
    double = Experiment(model="double_well", schemes=("EES25",), horizon=2.0, seed=3)
    single = dataclasses.replace(double, precision="float32")
    (one,), (other,) = (ees.run(e).plots for e in (double, single))
    np.testing.assert_array_equal(_curves(one)["reference"].y, _curves(other)["reference"].y)
    apart = np.abs(_curves(one)["EES25"].y - _curves(other)["EES25"].y)
    assert 1e-9 < apart.max() < 1e-4


def test_a_name_to_choose_by_means_one_thing_everywhere():
    for view, part in PARTS:
        for name, choice in VIEWS[view][part].choices.items():
            assert CHOICES[name] == choice, name
