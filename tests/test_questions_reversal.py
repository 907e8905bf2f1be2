"""The passes there and back, and the way back along rough paths, against NumPy."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest

import ees
from ees import Experiment
from ees.drivers import LATTICE
from ees.questions.reversal.rough import COUNTS, HURSTS, PATHS


OU = {"parameters": {"theta": 1.5, "mu": 0.25, "sigma": 0.5, "y0": 2.0}, "horizon": 3.0}


def _curves(plot):
    return {series.key: series for series in plot.series}


def test_the_two_passes_are_those_of_an_independent_computation(butcher_step):
    experiment = Experiment(
        **OU, view="reversal", part="passes", steps=30, seed=11, schemes=("EES25", "RK4")
    )
    (plot,) = ees.run(experiment).plots
    values = np.asarray(experiment.problem("Heun", 2).driver.values)[:: LATTICE // 30, 0]
    for name in experiment.schemes:
        table = ees.SCHEMES[name]().tableau

        def step(y, dt, dw, table=table):
            drift, diffusion = (lambda t, y: 1.5 * (0.25 - y)), (lambda t, y: 0.5)
            return butcher_step(table, drift, diffusion, 0.0, y, dt, dw)

        there = [2.0]
        for dw in np.diff(values):
            there.append(step(there[-1], 0.1, dw))
        back = [there[-1]]
        for dw in np.diff(values)[::-1]:
            back.append(step(back[-1], -0.1, -dw))
        line, dots = _curves(plot)[name], _curves(plot)[f"{name}/back"]
        assert (line.look, dots.look) == ("line", "dots")
        np.testing.assert_allclose(line.x, 0.1 * np.arange(31), atol=1e-12)
        np.testing.assert_allclose(line.y, there, rtol=0, atol=1e-10)
        np.testing.assert_allclose(dots.x, 0.1 * np.arange(31), atol=1e-12)
        np.testing.assert_allclose(dots.y, back[::-1], rtol=0, atol=1e-10)
        assert f"off by {abs(back[-1] - 2.0):.1e}" in plot.caption


def test_a_way_back_that_leaves_the_line_is_told_with_its_time():
    parameters = {**OU["parameters"], "theta": 20.0}
    experiment = Experiment(
        **{**OU, "parameters": parameters},
        view="reversal",
        part="passes",
        steps=30,
        schemes=("EES25",),
    )
    report = ees.run(experiment)
    (message,) = report.messages
    low, high = report.plots[0].window
    result = ees.reconstruction(*experiment.problem("EES25", 30), save=31)
    off = np.abs(np.asarray(result.forward - result.backward))[:, 0] > 0.02 * (high - low)
    assert message.endswith(f"leave the way there at t = {np.asarray(result.ts)[off].max():.4g}.")


def test_both_precisions_are_those_of_each_alone():
    fields = {"view": "reversal", "model": "kepler", "schemes": ("EES25",)}
    both = ees.run(Experiment(**fields, choices={"precisions": "both"})).plots[1]
    curves = _curves(both)
    for precision, key in (("float64", "EES25"), ("float32", "EES25/float32")):
        alone = _curves(ees.run(Experiment(**fields, precision=precision)).plots[1])["EES25"]
        np.testing.assert_array_equal(curves[key].x, alone.x)
        np.testing.assert_array_equal(curves[key].y, alone.y)
    assert curves["floor"].y[0] == 2.0**-52 and curves["floor/float32"].y[0] == 2.0**-23
    # At small steps the rounding of float32 stops it first.
    assert curves["EES25/float32"].y[0] > 1e3 * curves["EES25"].y[0]


def test_the_slope_is_the_antisymmetric_order_beside_its_guide(slope):
    (_, plot) = ees.run(
        Experiment(view="reversal", model="kepler", schemes=("EES25", "EES27"))
    ).plots
    curves = _curves(plot)
    for name, m, guide in (("EES25", 5, "guide"), ("EES27", 7, "guide/2")):
        series = curves[name]
        usable = series.y > 1000 * 2.0**-52
        found = slope(series.x[usable][:6], series.y[usable][:6])
        assert found == pytest.approx(m, abs=0.15)
        label = ees.SCHEMES[name]().name
        assert f"{label} {found:.2f} (theory {m})" in plot.caption
        assert slope(curves[guide].x, curves[guide].y) == pytest.approx(m, rel=1e-9)


def test_rough_errors_are_those_of_an_independent_computation(butcher_step):
    schemes = ("EES25", "EES27")
    experiment = Experiment(view="reversal", part="rough", model="rough", schemes=schemes, seed=5)
    plots = ees.run(experiment).plots
    start = float(experiment.subject.y0[0])
    keys = [jr.fold_in(jr.key(5), i) for i in range(PATHS)]
    for plot, hurst in zip(plots, HURSTS):
        drivers = [
            ees.FractionalBrownian(k, hurst, 0.0, experiment.horizon, LATTICE, (2,)) for k in keys
        ]
        values = np.stack([np.asarray(d.values) for d in drivers], axis=1)
        for name, m in (("EES25", 5), ("EES27", 7)):
            table = ees.SCHEMES[name]().tableau

            def step(y, dw, table=table):
                def field(t, y):
                    return np.cos(y) * dw[:, 0] + np.sin(y) * dw[:, 1]

                return butcher_step(table, field, lambda t, y: 0.0, 0.0, y, 1.0, 0.0)

            for i, n in enumerate(sorted(COUNTS, reverse=True)):
                if n not in (14, 105, 420):
                    continue
                dws = np.diff(values[:: LATTICE // n], axis=0)
                y = np.full(PATHS, start)
                for dw in dws:
                    y = step(y, dw)
                for dw in dws[::-1]:
                    y = step(y, -dw)
                wanted = np.exp(np.log(np.abs(y - start)).mean())
                drawn = _curves(plot)[name]
                np.testing.assert_allclose(drawn.x[i], experiment.horizon / n, rtol=1e-12)
                np.testing.assert_allclose(drawn.y[i], wanted, rtol=1e-4, atol=1e-10)
            assert f"(theory at least {(m + 1) * hurst - 1:.3g})" in plot.caption


def test_the_experiments_own_index_and_the_step_measure_nothing_again():
    experiment = Experiment(view="reversal", part="rough", model="rough", schemes=("EES25",))
    ees.run(experiment)
    for change in ({"hurst": 0.7}, {"steps": 24}):
        (only,) = ees.stream(dataclasses.replace(experiment, **change))
        assert only.done == only.total == len(HURSTS) * len(COUNTS)


@pytest.mark.parametrize("part, of", [("error", 1), ("rough", 0)])
def test_a_scheme_that_is_reversible_by_algebra_is_named_and_not_fitted(part, of):
    schemes = ("EES25", "ReversibleHeun")
    run = Experiment(view="reversal", part=part, model="kepler", horizon=1.0, schemes=schemes)
    caption = ees.run(run).plots[of].caption
    assert "Reversible by algebra, to round-off: Reversible Heun;" in caption
    assert "EES(2,5)" in caption and caption.count("Reversible Heun") == 1


def test_an_equation_without_noise_says_that_no_path_is_rough():
    report = ees.run(Experiment(view="reversal", part="rough", model="kepler", schemes=("EES25",)))
    assert report.messages == ("Kepler has no noise: all H are alike.",)
    one, other, _ = (_curves(plot)["EES25"].y for plot in report.plots)
    np.testing.assert_array_equal(one, other)
