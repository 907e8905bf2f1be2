"""Can the gradient be trusted? The reversible adjoint against the exact discrete gradient."""

from collections.abc import Iterator

import numpy as np

from ees.diagnostics import gradient_discrepancy
from ees.questions.sweep import curves, decades, floor, sweep
from ees.results import Axis, Plot, Report


COUNTS = (8, 12, 20, 30, 45, 70, 105, 160, 252, 420, 720, 1260)


def gradients(experiment) -> Iterator[Report]:
    """Relative error and cosine of the reversible gradient of |y(T)|^2 / 2, against h."""
    model, horizon = experiment.subject, experiment.horizon
    h, x = horizon / experiment.steps, Axis("step size", "h", log=True)
    bound = 16 * max(COUNTS)

    def measure(name, steps):
        found = gradient_discrepancy(*experiment.problem(name, steps), max_steps=bound)
        return float(found.relative_l2), float(found.cosine)

    for table, progress in sweep(experiment, COUNTS, measure):
        errors = (
            *curves(experiment, table, 0, log=True),
            floor(experiment, horizon / max(COUNTS), horizon / min(COUNTS)),
        )
        cosines = curves(experiment, table, 1, log=False)
        error = Plot(
            key="gradients-error",
            title=f"{model.title}: gradient of the reversible adjoint",
            x=x,
            y=Axis("relative gradient error", r"|g - g^*| / |g^*|", log=True),
            series=errors,
            window=decades(errors, experiment.unit),
            cursor=h,
        )
        cosine = Plot(
            key="gradients-cosine",
            title=f"{model.title}: direction of the gradient",
            x=x,
            y=Axis("cosine with the exact gradient", r"\cos(g, g^*)"),
            series=cosines,
            window=(-1.08, 1.08),
            cursor=h,
        )
        yield Report((error, cosine), tuple(_warnings(experiment, table, cosines)), *progress)


def _warnings(experiment, table, cosines):
    for name, series in zip(experiment.schemes, cosines):
        lost = [
            experiment.horizon / experiment.steps_of(name, n)
            for (scheme, n), row in table.items()
            if scheme == name and not np.isfinite(row).all()
        ]
        if lost:
            yield f"{series.label}: no finite gradient with h = {min(lost):.3g} or more."
        if (series.y < 0).any():
            h, lowest = series.x[series.y < 0].min(), series.y.min()
            yield (
                f"{series.label}: do not train with h = {h:.3g} or more; the gradient points the "
                f"wrong way there (cosine down to {lowest:.2f})."
            )
