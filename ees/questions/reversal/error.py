"""How far off is the way back? The reconstruction error along time, and against the step size."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import reconstruction, recovery_order
from ees.questions.base import Choice, Question
from ees.questions.slopes import algebraic, clear, guides, slope, spoken
from ees.questions.sweep import curves, decades, floor, gather
from ees.results import Axis, Plot, Report, Series


COUNTS = (4, 6, 9, 14, 20, 30, 45, 70, 105, 160, 252, 420, 720, 1260, 2520, 5040)
_POINTS = 501
_OTHER = {"float64": "float32", "float32": "float64"}

CHOICES = {
    "precisions": Choice("Precision", {"one": "the chosen one", "both": "float64 and float32"})
}

_BLANKS = (
    Plot(
        key="reversal-along-time",
        title="",
        x=Axis("time", "t"),
        y=Axis("reconstruction error", r"|\hat y - y|", log=True),
        series=(),
        window=(1e-18, 1.0),
    ),
    Plot(
        key="reversal-against-h",
        title="",
        x=Axis("step size", "h", log=True),
        y=Axis("error at the start", r"|\hat y_0 - y_0|", log=True),
        series=(),
        window=(1e-18, 1.0),
    ),
)


def reversal(experiment) -> Iterator[Report]:
    """Error on the way back along time at the chosen step, and at the start against the step."""
    along_time, messages = _along_time(experiment)
    precisions = [experiment.precision]
    if experiment.choice("precisions") == "both":
        precisions.append(_OTHER[experiment.precision])
    pieces = [(n, precision) for precision in precisions for n in sorted(COUNTS, reverse=True)]

    def measure(name, piece):
        n, precision = piece
        run = dataclasses.replace(experiment, precision=precision)
        found = reconstruction(*run.problem(name, run.steps_of(name, n)))
        return (float(found.error[0]),)

    def words(name, piece):
        h = experiment.horizon / experiment.steps_of(name, piece[0])
        return f"{experiment.scheme(name).name}, h = {h:.3g}, {piece[1]}"

    # Both precisions are remembered in one place, whichever is chosen.
    double = dataclasses.replace(experiment, precision="float64")
    for table, progress in gather(double, "reconstruction", pieces, measure, words):
        against_h = _against_h(experiment, table, precisions)
        yield Report((along_time, against_h), messages, *progress)


def _along_time(experiment) -> tuple[Plot, tuple[str, ...]]:
    model, horizon = experiment.subject, experiment.horizon
    h = horizon / experiment.steps
    along, recovered, messages = [], [], []
    for name in experiment.schemes:
        steps = experiment.steps_of(name)
        problem = experiment.problem(name, steps)
        result = reconstruction(*problem, save=_POINTS)
        ts, first = np.unique(np.asarray(result.ts, float), return_index=True)
        error = np.asarray(result.error, float)[first]
        label = problem.scheme.name
        if np.isfinite(error[0]):
            recovered.append(f"{label} to {error[0]:.2g}")
        else:
            messages.append(
                f"{label} does not find its way back with h = {horizon / steps:.4g}: "
                "its values did not stay finite."
            )
        drawn = np.isfinite(error) & (error > 0)
        along.append(Series(name, label, ts[drawn], error[drawn], marks=steps <= 60))
    if recovered:
        messages.insert(0, f"With h = {h:.4g} the start is recovered by {', '.join(recovered)}.")
    along = (*along, floor(experiment, 0.0, horizon))
    largest = [
        f"{s.label} {s.y.max():.1e} at t = {s.x[s.y.argmax()]:.3g}" for s in along[:-1] if len(s.y)
    ]
    plot = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: error on the way back, h = {h:.4g}",
        series=along,
        window=decades(along, experiment.unit),
        caption="The distance of the way back from the way there, from the end on the right to the "
        f"start on the left. Largest: {', '.join(largest) or 'nothing that can be drawn'}.",
    )
    return plot, tuple(messages)


def _against_h(experiment, table, precisions) -> Plot:
    model, horizon = experiment.subject, experiment.horizon
    noise = model.noise_shape is not None
    orders = {
        name: recovery_order(experiment.scheme(name), noise, experiment.hurst)
        for name in experiment.schemes
    }
    lines, slopes, bottoms = [], [], []
    for precision in precisions:
        run = dataclasses.replace(experiment, precision=precision)
        of = {(name, n): row for (name, (n, p)), row in table.items() if p == precision}
        errors = curves(run, of, 0, log=True)
        bottom = floor(run, horizon / max(COUNTS), horizon / min(COUNTS))
        if precision == experiment.precision:
            usable = [clear(s, run.unit) for s in errors]
            slopes = [
                spoken(s.label, slope(s, points), orders[s.key], noise)
                for s, points in zip(errors, usable)
                if len(s.x) and math.isfinite(orders[s.key])
            ]
            bottoms += [*guides(errors, usable, orders, bound=noise), bottom]
            lines += errors
        else:
            lines += [_beside(s, precision) for s in errors]
            bottoms.append(dataclasses.replace(bottom, key=f"floor/{precision}"))
    unit = min(s.y.min() for s in bottoms if s.key.startswith("floor"))
    return dataclasses.replace(
        _BLANKS[1],
        title=f"{model.title}: error in recovering the start",
        series=(*lines, *bottoms),
        window=decades(lines, unit),
        cursor=horizon / experiment.steps,
        caption="The distance of the recovered start from the true one against the step size"
        + (f"; fitted slopes: {', '.join(slopes)}." if slopes else ".")
        + algebraic(experiment, orders),
    )


def _beside(series, precision) -> Series:
    """A curve of the other precision."""
    key, label = f"{series.key}/{precision}", f"{series.label}, {precision}"
    return dataclasses.replace(series, key=key, label=label, marks=False)


ERROR = Question(reversal, _BLANKS, CHOICES, steady=True, played=True)
