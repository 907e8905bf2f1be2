"""Can the gradient be trusted? An adjoint against the exact discrete gradient, over h."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import Brackets, expected_orders, recovery_order
from ees.questions.base import Question
from ees.questions.gradients.measure import (
    CHOICES,
    chosen,
    discrepancy,
    fine,
    judged,
    means,
    numbers,
)
from ees.questions.slopes import clear, guides, slope, spoken
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
    ),
    Plot(
        key="gradients-cosine",
        title="",
        x=_STEP,
        y=Axis("cosine", r"\cos(g, g^*)"),
        series=(),
        window=(-1.08, 1.08),
    ),
    Plot(
        key="gradients-signs",
        title="",
        x=_STEP,
        y=Axis("share of equal signs", r"\mathrm{sgn}\,g_i = \mathrm{sgn}\,g^*_i"),
        series=(),
        window=(-0.04, 1.04),
    ),
)


def gradients(experiment) -> Iterator[Report]:
    """Error, cosine and signs of the chosen adjoint's gradient of |y(T)|^2 / 2, against h.

    Beside the adjoint's error stands the scheme's own, against a fine solution, which no adjoint
    can mend.
    """
    verdicts = yield from judged(experiment, "gradient", COUNTS)

    def measure(name, steps):
        return numbers(discrepancy(experiment, name, steps), fine(experiment))

    for table, progress in sweep(experiment, "gradient", COUNTS, measure, chosen(experiment)):
        messages = (*verdicts, *_warnings(experiment, table))
        yield Report(_plots(experiment, table), messages, *progress)


def _plots(experiment, table) -> tuple[Plot, ...]:
    model, horizon = experiment.subject, experiment.horizon
    h = horizon / experiment.steps
    errors, cosines, signs, own = (
        curves(experiment, table, column, log=log)
        for column, log in enumerate((True, False, False, True))
    )
    beside = [
        dataclasses.replace(s, key=f"{s.key}/own", label=f"{s.label}, own error", marks=False)
        for s in own
    ]
    orders, bound = _orders(experiment), model.noise_shape is not None
    usable = [clear(s, experiment.unit) for s in errors]
    bottom = floor(experiment, horizon / max(COUNTS), horizon / min(COUNTS))
    lines = (*errors, *beside, *guides(errors, usable, orders, bound=bound), bottom)
    slopes = [
        spoken(s.label, slope(s, points), orders[s.key], bound)
        for s, points in zip(errors, usable)
        if len(s.x) and np.isfinite(orders[s.key])
    ]
    exact = "discretise-then-optimise in float64 with the same steps"
    error = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: gradient by {means(experiment)}",
        series=lines,
        window=decades(lines, experiment.unit),
        cursor=h,
        caption=f"The relative error of the gradient by {means(experiment)} against {exact}; "
        f"broken, the scheme's own error against a fine solution. "
        f"{_at(experiment, errors, '{:.1e}')}"
        + (f" Fitted slopes: {', '.join(slopes)}." if slopes else ""),
    )
    cosine = dataclasses.replace(
        _BLANKS[1],
        title=f"{model.title}: direction of the gradient",
        series=cosines,
        cursor=h,
        caption=f"The cosine of the angle between both gradients: 1 is right, below 0 a step "
        f"downhill goes up. {_at(experiment, cosines, '{:.4f}')}",
    )
    sign = dataclasses.replace(
        _BLANKS[2],
        title=f"{model.title}: signs of the gradient",
        series=signs,
        cursor=h,
        caption=f"The share of the gradient's entries that have the right sign. "
        f"{_at(experiment, signs, '{:.2f}')}",
    )
    return error, cosine, sign


def _orders(experiment) -> dict[str, float]:
    """The order of each scheme's adjoint error; not finite without a theory, or an error."""
    kind, noise = experiment.choice("adjoint"), experiment.subject.noise_shape is not None
    found = {}
    for name in experiment.schemes:
        scheme = experiment.scheme(name)
        if kind in ("reversible", "sparse"):
            found[name] = recovery_order(scheme, noise, experiment.hurst)
        elif kind == "continuous" and not noise:
            found[name], _ = expected_orders(scheme, Brackets(noise=False))
        else:
            found[name] = np.nan
    return found


def _at(experiment, series, form) -> str:
    """The curves' values at the measured step that is nearest to the chosen one."""
    said = []
    for curve in series:
        if len(curve.x):
            steps = experiment.steps_of(curve.key)
            near = np.abs(np.log(curve.x * steps / experiment.horizon)).argmin()
            said.append(f"{curve.label} {form.format(curve.y[near])} at {curve.x[near]:.3g}")
    return f"Near the chosen h: {', '.join(said)}." if said else "Nothing is measured yet."


def _warnings(experiment, table) -> Iterator[str]:
    errors, cosines = (curves(experiment, table, column, log=False) for column in (0, 1))
    for name, error, cosine in zip(experiment.schemes, errors, cosines):
        rows = {n: row[0] for (scheme, n), row in table.items() if scheme == name}
        lost = [n for n, found in rows.items() if not np.isfinite(found)]
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
            # What is 0 has no cosine.
            least = f", cosine down to {cosine.y.min():.2f}" if len(cosine.y) else ""
            yield (
                f"{cosine.label}: do not train from h = {error.x[wrong].min():.3g} on; there the "
                f"error is as large as the gradient itself (up to {error.y.max():.2g} times{least})."
            )


ERROR = Question(gradients, _BLANKS, CHOICES, steady=True)
