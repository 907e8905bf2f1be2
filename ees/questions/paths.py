"""What does a scheme do? The schemes on one path, beside the exact solution or a fine one."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from ees.drivers import LATTICE
from ees.questions.base import Question
from ees.results import Axis, Plot, Report, Series
from ees.solve import solve


_POINTS = 1001
_REFERENCE_POINTS = 1008
# The window shows the reference and half its span on either side: room to see a path go wrong,
# and the reference still fills half of the picture.
_MARGIN = 0.5
# The mark of a path that left stands this far inside the window, where it is seen whole.
_EDGE = 0.03

_BLANKS = (Plot("paths", "", Axis("time", "t"), Axis("solution", "y"), (), window=(-1.0, 1.0)),)


def paths(experiment) -> Iterator[Report]:
    """The paths of every scheme and their reference; paths that leave end where they leave."""
    model, component, horizon = experiment.subject, experiment.component, experiment.horizon
    exact = experiment.reference()
    lows, highs = _window(exact)
    window = float(lows[component]), float(highs[component])
    every = slice(None, None, LATTICE // _REFERENCE_POINTS)
    series = [
        Series(
            "reference",
            "exact solution" if model.exact is not None else f"RK4, N = {LATTICE}",
            np.linspace(0.0, horizon, LATTICE + 1)[every],
            exact[every, component],
        )
    ]
    messages = []
    for name in experiment.schemes:
        steps = experiment.steps_of(name)
        problem = experiment.problem(name, steps)
        solution = solve(*problem, save=_POINTS)
        ts, first = np.unique(np.asarray(solution.ts, float), return_index=True)
        ys = np.asarray(solution.ys, float)[first]
        label = problem.scheme.name
        left = None
        gone = _left_for_good(ys, lows, highs)
        if gone is not None:
            inside = window[0] + _EDGE * (window[1] - window[0])
            inside = inside, window[0] + window[1] - inside
            y = float(np.nan_to_num(np.clip(ys[gone, component], *inside), nan=inside[1]))
            left = float(ts[gone]), y
            messages.append(
                f"{label} left the window at t = {left[0]:.4g}, with h = {horizon / steps:.4g}"
                + _then(float(solution.diverged_at))
            )
            ts, ys = ts[: gone + 1], ys[: gone + 1]
        # Far outside the window is far outside; a float32 screen cannot hold 1e300.
        span = window[1] - window[0]
        y = np.clip(ys[:, component], window[0] - 9 * span, window[1] + 9 * span)
        finite = np.isfinite(y)
        if experiment.equal == "evaluations":
            label = f"{label}, N = {steps}"
        series.append(Series(name, label, ts[finite], y[finite], marks=steps <= 60, left=left))
    if not messages:
        messages.append(f"No scheme left the window with h = {horizon / experiment.steps:.4g}.")
    plot = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: one path, h = {horizon / experiment.steps:.4g}",
        y=Axis("solution", model.components[component]),
        series=tuple(series),
        window=window,
    )
    yield Report((plot,), tuple(messages))


def _window(exact):
    lows, highs = exact.min(axis=0), exact.max(axis=0)
    # A constant has no span; a tenth of its size stands in.
    spans = np.maximum(highs - lows, 0.1 * np.maximum(np.abs(lows), np.abs(highs)) + 1e-3)
    return lows - _MARGIN * spans, highs + _MARGIN * spans


def _left_for_good(ys, lows, highs) -> int | None:
    """The first point after which no point is inside again, `None` if the last one is.

    A path that only swings out and returns has not blown up.
    """
    inside = np.isfinite(ys).all(axis=1) & ((ys >= lows) & (ys <= highs)).all(axis=1)
    if inside[-1]:
        return None
    return int(np.flatnonzero(inside)[-1]) + 1 if inside.any() else 0


def _then(diverged_at: float) -> str:
    if math.isinf(diverged_at):
        return "."
    return f"; from t = {diverged_at:.4g} on it was no longer a finite number."


PATHS = {"time": Question(paths, _BLANKS)}
"""The parts of the view."""
