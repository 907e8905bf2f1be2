"""Can a scheme run backwards? Its reconstruction error along time, and against the step size."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import reconstruction
from ees.questions.base import Question
from ees.questions.sweep import curves, decades, floor, sweep
from ees.results import Axis, Plot, Report, Series


COUNTS = (4, 6, 9, 14, 20, 30, 45, 70, 105, 160, 252, 420, 720, 1260, 2520, 5040)
_POINTS = 501

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
        cursor=1.0,
    ),
)


def reversal(experiment) -> Iterator[Report]:
    """Error on the way back along time at the chosen step, and at the start against the step."""
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
    along_time = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: error on the way back, h = {h:.4g}",
        series=along,
        window=decades(along, experiment.unit),
    )

    def measure(name, steps):
        return (float(reconstruction(*experiment.problem(name, steps)).error[0]),)

    for table, progress in sweep(experiment, COUNTS, measure):
        errors = (
            *curves(experiment, table, 0, log=True),
            floor(experiment, horizon / max(COUNTS), horizon / min(COUNTS)),
        )
        against_h = dataclasses.replace(
            _BLANKS[1],
            title=f"{model.title}: error in recovering the start",
            series=errors,
            window=decades(errors, experiment.unit),
            cursor=h,
        )
        yield Report((along_time, against_h), tuple(messages), *progress)


REVERSAL = {"error": Question(reversal, _BLANKS, steady=True, played=True)}
"""The parts of the view."""
