"""Can the gradient be trusted? The reversible adjoint against the exact discrete gradient."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import gradient_discrepancy
from ees.questions.base import Question
from ees.questions.sweep import curves, decades, floor, sweep
from ees.results import Axis, Plot, Report


COUNTS = (8, 12, 20, 30, 45, 70, 105, 160, 252, 420, 720, 1260)

_STEP = Axis("step size", "h", log=True)
_BLANKS = (
    Plot(
        key="gradients-error",
        title="",
        x=_STEP,
        y=Axis("gradient error", r"|g - g^*| / |g^*|", log=True),
        series=(),
        window=(1e-18, 1.0),
        cursor=1.0,
    ),
    Plot(
        key="gradients-cosine",
        title="",
        x=_STEP,
        y=Axis("cosine", r"\cos(g, g^*)"),
        series=(),
        window=(-1.08, 1.08),
        cursor=1.0,
    ),
)


def gradients(experiment) -> Iterator[Report]:
    """Relative error and cosine of the reversible gradient of |y(T)|^2 / 2, against h."""
    model, horizon = experiment.subject, experiment.horizon
    h = horizon / experiment.steps
    bound = 16 * max(COUNTS)

    def measure(name, steps):
        found = gradient_discrepancy(*experiment.problem(name, steps), max_steps=bound)
        return float(found.relative_l2), float(found.cosine)

    for table, progress in sweep(experiment, "gradient", COUNTS, measure):
        errors = (
            *curves(experiment, table, 0, log=True),
            floor(experiment, horizon / max(COUNTS), horizon / min(COUNTS)),
        )
        cosines = curves(experiment, table, 1, log=False)
        error = dataclasses.replace(
            _BLANKS[0],
            title=f"{model.title}: gradient of the reversible adjoint",
            series=errors,
            window=decades(errors, experiment.unit),
            cursor=h,
        )
        cosine = dataclasses.replace(
            _BLANKS[1],
            title=f"{model.title}: direction of the gradient",
            series=cosines,
            cursor=h,
        )
        yield Report((error, cosine), tuple(_warnings(experiment, table)), *progress)


def _warnings(experiment, table):
    errors, cosines = (curves(experiment, table, column, log=False) for column in (0, 1))
    for name, error, cosine in zip(experiment.schemes, errors, cosines):
        rows = {n: row for (scheme, n), row in table.items() if scheme == name}
        lost = [n for n, row in rows.items() if not np.isfinite(row).all()]
        if lost:
            sizes = [experiment.horizon / experiment.steps_of(name, n) for n in lost]
            yield (
                f"{cosine.label}: no finite gradient at {len(lost)} of {len(rows)} step sizes, "
                f"h = {min(sizes):.3g} to {max(sizes):.3g}."
            )
        # An error as large as the gradient: a negative cosine implies it, and a gradient that
        # is only too long, by whatever factor, shows here alone.
        wrong = error.y >= 1
        if wrong.any():
            yield (
                f"{cosine.label}: do not train from h = {error.x[wrong].min():.3g} on; there the "
                f"error is as large as the gradient itself (up to {error.y.max():.2g} times, "
                f"cosine down to {cosine.y.min():.2f})."
            )


GRADIENTS = {"error": Question(gradients, _BLANKS, steady=True)}
"""The parts of the view."""
