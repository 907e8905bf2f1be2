"""How accurate is a scheme? Its error against the step size, or against what it costs."""

import dataclasses
from collections.abc import Iterator
from functools import partial

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int

from ees.diagnostics import Brackets, brackets, convergence, expected_orders
from ees.drivers import LATTICE, FractionalBrownian
from ees.questions.base import Choice, Number, Question
from ees.questions.slopes import guides, slope, spoken
from ees.questions.sweep import around, floor, gather, once
from ees.results import Axis, Plot, Report, Series


# All share the times of six steps, at which a path's largest error is looked for.
COUNTS = (6, 12, 18, 30, 42, 60, 84, 126, 180, 252)
# An ODE has one path, and errors that are worth following further down.
FINER = (*COUNTS, 420, 630, 1260)
# Twenty times as fine as the finest count: the reference hides 5 per cent of an error at most.
FINE = 5040

CHOICES = {
    "effort": Choice("Against", {"h": "step size", "evaluations": "field evaluations"}),
    "samples": Number("Paths", 256, 8, 2048, whole=True, log=True),
}

_AXES = {
    "h": Axis("step size", "h", log=True),
    "evaluations": Axis("field evaluations", "n", log=True),
}
_ERRORS = {
    "strong": Axis("strong error", r"(E\,|y_h(T) - y(T)|^2)^{1/2}", log=True),
    "weak": Axis("weak error", r"|E\,y_h(T)^2 - E\,y(T)^2|", log=True),
    "pathwise": Axis("pathwise error", r"\exp E \log \max_t |y_h(t) - y(t)|", log=True),
}
# Over many paths, and along the one path of an ODE.
_MEANINGS = {
    "strong": ("the root mean square of the error at the end", "the error at the end"),
    "weak": (
        "the error in the mean square of the drawn component at the end",
        "the error in the square of the drawn component at the end",
    ),
    "pathwise": ("the largest error along a typical path", "the largest error along the path"),
}


class _Square(eqx.Module):
    """The square of one entry of the state, which may change without compiling anything."""

    component: Int[Array, ""]

    def __call__(self, y):
        return y[self.component] ** 2


def _blank(kind: str) -> Plot:
    key = f"convergence-{kind}"
    return Plot(key, "", _AXES["h"], _ERRORS[kind], (), window=(1e-8, 1.0))


def accuracy(kind: str, experiment) -> Iterator[Report]:
    """One kind of error of every scheme, with its band of confidence and its slope.

    **Arguments:** `kind`: `"strong"`, `"weak"` or `"pathwise"`. One measurement has all three;
    the weak error alone depends on the component.
    """
    model, paths = experiment.subject, int(experiment.choice("samples"))

    def measure(name, component):
        counts = FINER if model.noise_shape is None else COUNTS
        field, scheme, driver, y0 = experiment.problem(name, LATTICE)
        noise = None if model.noise_shape is None else driver.values.shape[1:]
        return convergence(
            field,
            scheme,
            driver if noise is None else _paths(experiment, noise, y0.dtype),
            y0,
            counts=counts,
            fine=LATTICE if noise is None else FINE,
            functional=_Square(jnp.asarray(component)),
            exact=model.exact,
            paths=paths,
            key=jr.key(experiment.seed),
        )

    def words(name, component):
        many = "" if model.noise_shape is None else f", {paths} paths"
        return f"{experiment.scheme(name).name} at every step size{many}"

    pieces = (experiment.component if kind == "weak" else 0,)
    steps = gather(experiment, "convergence", pieces, measure, words, choices=("samples",))
    for table, progress in steps:
        found = {name: result for (name, _), result in table.items()}
        yield _report(experiment, found, progress)


def _report(experiment, found, progress) -> Report:
    kind, against = experiment.part, experiment.choice("effort")
    sign = 1 if against == "h" else -1
    strong, weak = ({name: order[i] for name, order in _orders(experiment).items()} for i in (0, 1))
    orders = weak if kind == "weak" else strong
    drawn = [_curve(experiment, name, found.get(name)) for name in experiment.schemes]
    series, usable = [curve for curve, _ in drawn], [points for _, points in drawn]
    lines = [*series, *guides(series, usable, orders, sign)]
    window = around(lines, experiment.unit)
    lowest = min((curve.y.min() for curve in series if len(curve.y)), default=1.0)
    if lowest < 1e4 * experiment.unit:
        x = np.concatenate([curve.x for curve in series])
        lines.append(floor(experiment, x.min(), x.max()))
    slopes = [
        spoken(curve.label, slope(curve, points, sign), sign * orders[curve.key])
        for curve, points in drawn
        if len(curve.x)
    ]
    model, one = experiment.subject, experiment.subject.noise_shape is None
    many = "" if one else f" over {experiment.choice('samples')} paths, in bands of 95 per cent"
    plot = dataclasses.replace(
        _blank(kind),
        title=f"{model.title}: {kind} error",
        x=_AXES[against],
        series=tuple(lines),
        window=window,
        cursor=experiment.horizon / experiment.steps if against == "h" else None,
        caption=f"Against the {_AXES[against].label}: {_MEANINGS[kind][one]}{many}. "
        + (f"Fitted slopes: {', '.join(slopes)}." if slopes else "Nothing is measured yet."),
    )
    return Report((plot,), tuple(_messages(experiment, found, orders)), *progress)


def _curve(experiment, name, found):
    """A scheme's errors, and which of them a slope may rest on."""
    label, kind = experiment.scheme(name).name, experiment.part
    if found is None:
        return Series(name, label, np.zeros(0), np.zeros(0), marks=True), np.zeros(0, bool)
    errors = getattr(found, kind)
    drawn = np.isfinite(errors.error) & (errors.error > 0)
    against = {"h": found.hs, "evaluations": found.evaluations}[experiment.choice("effort")]
    x = np.asarray(against, float)[drawn]
    # From left to right, with the step sizes or with the evaluations.
    order = np.argsort(x)
    y, low, high = (end[drawn][order] for end in (errors.error, errors.low, errors.high))
    band = {}
    if found.paths > 1 and len(y):
        # An interval that reaches 0 has no end on a logarithmic scale.
        band = {"low": np.maximum(low, experiment.unit / 100), "high": high}
    curve = Series(name, label, x[order], y, marks=True, **band)
    return curve, errors.fitted[drawn][order]


def _messages(experiment, found, orders) -> Iterator[str]:
    for name, result in found.items():
        label = experiment.scheme(name).name
        lost = result.diverged > 0
        if lost.any():
            yield (
                f"{label}: up to {result.diverged.max()} of {result.paths} paths did not stay "
                f"finite from h = {result.hs[lost].min():.3g} on; where some did not it has no "
                "error to draw."
            )
        if orders[name] <= 0:
            yield (
                f"{label} is not expected to converge here: it tends to another solution than the "
                "Stratonovich one, or to none."
            )
        errors = getattr(result, experiment.part)
        if result.paths > 1 and np.isfinite(errors.error).any() and errors.fitted.sum() < 3:
            yield (
                f"{label}: {result.paths} paths are too few to tell this error from 0 at "
                f"{np.sum(~errors.fitted)} of {len(errors.fitted)} step sizes; take more."
            )
    if experiment.hurst != 0.5 and experiment.part == "weak" and _structure(experiment).noise:
        yield f"For a rough path (H = {experiment.hurst:g}) no weak order is known to compare with."


def _paths(experiment, noise, dtype):
    """From a key to a path of this experiment's law, on a lattice of `FINE` cells."""
    model, horizon, hurst = experiment.subject, experiment.horizon, experiment.hurst

    def draw(key):
        if hurst == 0.5:
            return model.driver(key, horizon, FINE, lattice=FINE, dtype=dtype)
        return FractionalBrownian(key, hurst, 0.0, horizon, FINE, noise, lattice=FINE, dtype=dtype)

    return draw


def _orders(experiment) -> dict[str, tuple[float, float]]:
    """The strong and the weak order that theory gives each scheme on this equation."""
    of = _structure(experiment)
    schemes = {name: experiment.scheme(name) for name in experiment.schemes}
    return {name: expected_orders(s, of, experiment.hurst) for name, s in schemes.items()}


def _structure(experiment) -> Brackets:
    """What the equation's vector fields leave of an order, looked at along the reference."""

    double = dataclasses.replace(experiment, precision="float64")

    def look():
        field, _, driver, _ = double.problem("RK4", LATTICE)
        noise = None if experiment.subject.noise_shape is None else driver.values.shape[1:]
        points = np.linspace(0, LATTICE, 9).astype(int)
        ts = jnp.linspace(0.0, experiment.horizon, len(points))
        return brackets(field, noise, ts, jnp.asarray(experiment.reference()[points]))

    return once(double, "brackets", look)


CONVERGENCE = {
    kind: Question(partial(accuracy, kind), (_blank(kind),), CHOICES, steady=True)
    for kind in _ERRORS
}
"""The parts of the view."""
