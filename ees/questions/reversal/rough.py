"""How does the roughness of a path tell on the way back? The error at the start for each H."""

import dataclasses
import math
from collections.abc import Iterator
from functools import cache

import equinox as eqx
import jax.random as jr
import numpy as np

from ees.diagnostics import reconstruction, recovery_order
from ees.drivers import LATTICE, FractionalBrownian
from ees.questions.base import Question
from ees.questions.slopes import algebraic, clear, guides, slope, spoken
from ees.questions.sweep import curves, decades, floor, gather
from ees.results import Axis, Plot, Report


HURSTS = (0.4, 0.5, 0.6)
COUNTS = (14, 20, 30, 45, 70, 105, 160, 252, 420, 720, 1260)
PATHS = 10

_BLANKS = tuple(
    Plot(
        key=f"reversal-rough-{round(10 * hurst)}",
        title="",
        x=Axis("step size", "h", log=True),
        y=Axis("error at the start", r"\exp E \log |\hat y_0 - y_0|", log=True),
        series=(),
        window=(1e-18, 1.0),
    )
    for hurst in HURSTS
)


def rough(experiment) -> Iterator[Report]:
    """The typical error in recovering the start over a few paths of each Hurst index, against h."""
    noise = experiment.subject.noise_shape is not None

    @cache
    def paths(hurst):
        driver = experiment.problem(experiment.schemes[0], LATTICE).driver
        keys = [jr.fold_in(jr.key(experiment.seed), i) for i in range(PATHS)]
        shape, dtype = driver.values.shape[1:], driver.values.dtype
        drawn = (
            FractionalBrownian(key, hurst, 0.0, experiment.horizon, LATTICE, shape) for key in keys
        )
        # Values in the same driver: another Hurst index compiles nothing.
        return [eqx.tree_at(lambda d: d.values, driver, d.values.astype(dtype)) for d in drawn]

    def measure(name, piece):
        hurst, n = piece
        steps = experiment.steps_of(name, n)
        field, scheme, driver, y0 = experiment.problem(name, steps)
        drivers = [d.with_steps(driver.steps) for d in paths(hurst)] if noise else [driver]
        found = [float(reconstruction(field, scheme, d, y0).error[0]) for d in drivers]
        with np.errstate(divide="ignore"):
            return (float(np.exp(np.mean(np.log(found)))),)

    def words(name, piece):
        return f"{experiment.scheme(name).name}, H = {piece[0]:g}, {piece[1]} steps"

    pieces = [(hurst, n) for hurst in HURSTS for n in sorted(COUNTS, reverse=True)]
    # The experiment's own index decides nothing here.
    smooth = dataclasses.replace(experiment, hurst=0.5)
    messages = () if noise else (f"{experiment.subject.title} has no noise: all H are alike.",)
    for table, progress in gather(smooth, "rough reconstruction", pieces, measure, words):
        plots = [_plot(experiment, blank, h, table) for blank, h in zip(_BLANKS, HURSTS)]
        yield Report(tuple(plots), messages, *progress)


def _plot(experiment, blank, hurst, table) -> Plot:
    noise, horizon = experiment.subject.noise_shape is not None, experiment.horizon
    known = {(name, n): row for (name, (index, n)), row in table.items() if index == hurst}
    errors = curves(experiment, known, 0, log=True)
    orders = {
        name: recovery_order(experiment.scheme(name), noise, hurst) for name in experiment.schemes
    }
    usable = [clear(s, experiment.unit) for s in errors]
    slopes = [
        spoken(s.label, slope(s, points), orders[s.key], noise)
        for s, points in zip(errors, usable)
        if len(s.x) and math.isfinite(orders[s.key])
    ]
    bottom = floor(experiment, horizon / max(COUNTS), horizon / min(COUNTS))
    lines = (*errors, *guides(errors, usable, orders, bound=noise), bottom)
    of = f" over {PATHS} paths of Hurst index {hurst:g}" if noise else ""
    return dataclasses.replace(
        blank,
        title=f"{experiment.subject.title}: recovering the start, H = {hurst:g}",
        series=lines,
        window=decades(errors, experiment.unit),
        cursor=horizon / experiment.steps,
        caption=f"The typical error in recovering the start{of}"
        + (f"; fitted slopes: {', '.join(slopes)}." if slopes else ".")
        + algebraic(experiment, orders),
    )


ROUGH = Question(rough, _BLANKS, steady=True)
