"""How does the error of a gradient grow with the horizon, at one step size?"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.questions.base import Question
from ees.questions.gradients.measure import (
    CHOICES,
    chosen,
    discrepancy,
    judged,
    means,
    numbers,
)
from ees.questions.sweep import decades, floor, gather
from ees.results import Axis, Plot, Report, Series


_SHARES = 12

_TIME = Axis("horizon", "T")
_BLANKS = (
    Plot(
        key="gradients-horizon-error",
        title="",
        x=_TIME,
        y=Axis("gradient error", r"|g - g^*| / |g^*|", log=True),
        series=(),
        window=(1e-18, 1.0),
    ),
    Plot(
        key="gradients-horizon-cosine",
        title="",
        x=_TIME,
        y=Axis("cosine", r"\cos(g, g^*)"),
        series=(),
        window=(-1.08, 1.08),
    ),
)


def over_the_horizon(experiment) -> Iterator[Report]:
    """Error and cosine of the gradient of |y(t)|^2 / 2 for ends t up to the horizon, same h."""
    shares = tuple(range(1, _SHARES + 1))
    quantity = "gradient over the horizon"
    pieces = [(share, experiment.steps) for share in shares]
    verdicts = yield from judged(experiment, quantity, pieces)

    def first(name, share):
        return max(1, round(experiment.steps_of(name) * share / _SHARES))

    def measure(name, piece):
        share, _ = piece
        found = discrepancy(experiment, name, experiment.steps_of(name), first(name, share))
        return numbers(found, None)

    def words(name, piece):
        steps = experiment.steps_of(name)
        end = experiment.horizon * first(name, piece[0]) / steps
        return f"{experiment.scheme(name).name}, T = {end:.3g}"

    for table, progress in gather(experiment, quantity, pieces, measure, words, chosen(experiment)):
        errors, cosines = [], []
        for name in experiment.schemes:
            steps, label = experiment.steps_of(name), experiment.scheme(name).name
            rows = [
                (experiment.horizon * first(name, piece[0]) / steps, *table[name, piece][:2])
                for piece in pieces
                if (name, piece) in table
            ]
            x, error, cosine = np.array(rows, float).reshape(-1, 3).T
            x, once = np.unique(x, return_index=True)
            error, cosine = error[once], cosine[once]
            seen = np.isfinite(error) & (error > 0)
            errors.append(Series(name, label, x[seen], error[seen], marks=True))
            seen = np.isfinite(cosine)
            cosines.append(Series(name, label, x[seen], cosine[seen], marks=True))
        yield Report(_plots(experiment, errors, cosines), verdicts, *progress)


def _plots(experiment, errors, cosines) -> tuple[Plot, ...]:
    model, h = experiment.subject, experiment.horizon / experiment.steps
    lines = (*errors, floor(experiment, 0.0, experiment.horizon))
    grown = [
        f"{s.label} {s.y[0]:.1e} at {s.x[0]:.3g} and {s.y[-1]:.1e} at {s.x[-1]:.3g}"
        for s in errors
        if len(s.x)
    ]
    least = [f"{s.label} {s.y.min():.4f}" for s in cosines if len(s.x)]
    error = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: gradient up to T by {means(experiment)}, h = {h:.4g}",
        series=lines,
        window=decades(lines, experiment.unit),
        caption=f"The relative error of the gradient by {means(experiment)} for a loss at T, all "
        f"with the step h = {h:.4g}"
        + (f": {'; '.join(grown)}." if grown else ". Nothing is measured yet."),
    )
    cosine = dataclasses.replace(
        _BLANKS[1],
        title=f"{model.title}: direction of the gradient over the horizon",
        series=tuple(cosines),
        caption="The cosine of the angle between the adjoint's gradient and the exact one"
        + (f"; the least of each: {', '.join(least)}." if least else "."),
    )
    return error, cosine


HORIZON = Question(over_the_horizon, _BLANKS, CHOICES, steady=True)
