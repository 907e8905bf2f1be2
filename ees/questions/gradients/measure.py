"""Gradients of |y(T)|^2 / 2 as the parts of the view measure them, each one once."""

import dataclasses
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from ees.adjoints import (
    AbstractAdjoint,
    Continuous,
    FullBackprop,
    RecursiveCheckpoint,
    Reversible,
    StoredStates,
)
from ees.diagnostics import (
    GradientDiscrepancy,
    gradient_discrepancy,
    reversal_defect,
)
from ees.drivers import LATTICE, First
from ees.questions.base import Choice, Number
from ees.questions.spectrum import decaying, eigenvalues_of, growth_of
from ees.questions.sweep import once, remembered
from ees.results import Report


# With a bound on the steps that does not change, no number of steps compiles again.
_BOUND = LATTICE
# From here on a gradient is not worth a descent; below, what the error costs is small.
_USELESS, _DOUBTFUL = 1.0, 1e-2
# The worst first.
_ADVICE = "do not train at this step", "doubtful", "trust"
# On the boundary of a domain round-off decides.
_UNSTABLE = 1.001

CHOICES = {
    "adjoint": Choice(
        "Adjoint",
        {
            "reversible": "reversible",
            "sparse": "reversible with checkpoints",
            "recursive": "recursive checkpoints",
            "continuous": "continuous",
        },
    ),
    "every": Number("Steps between checkpoints", 16, 1, 512, whole=True, log=True),
}


def adjoint(experiment, kind: str, bound: int | None = _BOUND) -> AbstractAdjoint:
    """The adjoint of that name, with room for `bound` steps."""
    every = int(experiment.choice("every"))
    return {
        "tape": FullBackprop,
        "reversible": lambda max_steps: Reversible(),
        "sparse": lambda max_steps: Reversible(checkpoint_every=every, max_steps=max_steps),
        "recursive": RecursiveCheckpoint,
        "continuous": lambda max_steps: Continuous(),
    }[kind](max_steps=bound)


def chosen(experiment) -> tuple[str, ...]:
    """The names of the choices that decide a gradient."""
    return ("adjoint", "every") if experiment.choice("adjoint") == "sparse" else ("adjoint",)


def means(experiment) -> str:
    """By what the gradient is found, in words: the chosen adjoint."""
    every = f"checkpoints every {experiment.choice('every')} steps"
    return {
        "reversible": "the reversible adjoint",
        "sparse": f"the reversible adjoint with {every}",
        "recursive": "recursive checkpoints",
        "continuous": "the continuous adjoint",
    }[experiment.choice("adjoint")]


def discrepancy(experiment, name: str, steps: int, first: int | None = None) -> GradientDiscrepancy:
    """The chosen adjoint's gradient beside the exact one, at the end or after `first` steps."""
    known = remembered(experiment, "discrepancy", name, chosen(experiment))
    if (steps, first) not in known:
        field, scheme, driver, y0 = experiment.problem(name, steps)
        driver = driver if first is None else First(driver, np.int32(first))
        known[steps, first] = gradient_discrepancy(
            field,
            scheme,
            driver,
            y0,
            adjoint=adjoint(experiment, experiment.choice("adjoint")),
            max_steps=_BOUND,
        )
    return known[steps, first]


def fine(experiment) -> Float[np.ndarray, " parameters"]:
    """The gradient of a fine solution: RK4 on all of the path's lattice, in float64."""
    double = dataclasses.replace(experiment, precision="float64")

    def solve_finely():
        problem = double.problem("RK4", LATTICE)
        exact = StoredStates(max_steps=_BOUND)
        found = gradient_discrepancy(*problem, adjoint=exact, max_steps=_BOUND)
        return np.asarray(found.reference)

    return once(double, "fine gradient", solve_finely)


def numbers(found: GradientDiscrepancy, truth: np.ndarray | None) -> tuple[float, ...]:
    """Relative error and cosine of an adjoint, the share of entries whose sign is right, and the
    scheme's own relative error against `truth`; NaN where there is nothing to compare."""
    g, exact = np.asarray(found.gradient), np.asarray(found.reference)
    own = math.nan
    with np.errstate(all="ignore"):
        if truth is not None:
            own = float(np.linalg.norm(exact - truth) / np.linalg.norm(truth))
    finite = np.isfinite(g).all() and np.isfinite(exact).all()
    signs = float(np.mean(np.sign(g) == np.sign(exact))) if finite else math.nan
    return float(found.relative_l2), float(found.cosine), signs, own


def judged(experiment, quantity: str, pieces: Sequence[Hashable]) -> Iterator[Report]:
    """A verdict on each scheme at its present step, which it returns; says what takes long of it.

    **Arguments:** `quantity`, `pieces`: what will be measured, as for `gather`.
    """
    known = {
        name: remembered(experiment, quantity, name, chosen(experiment))
        for name in experiment.schemes
    }
    counts = {name: sum(piece in known[name] for piece in pieces) for name in experiment.schemes}
    progress = sum(counts.values()), len(counts) * len(pieces)
    found = []
    for name in experiment.schemes:
        steps = experiment.steps_of(name)
        if not counts[name]:
            # That includes to compile it, and takes seconds.
            doing = f"{experiment.scheme(name).name}, h = {experiment.horizon / steps:.3g}"
            yield Report((), (), *progress, doing)
        measured = discrepancy(experiment, name, steps)
        found.append((name, measured))
    return verdicts(experiment, found)


def verdicts(experiment, found: Iterable[tuple[str, GradientDiscrepancy]]) -> tuple[str, ...]:
    """Whether to train with each scheme at its present step, and why: a sentence each.

    Warnings come first: on a small screen there may be no room for more.
    """
    judged = [_verdict(experiment, name, measured) for name, measured in found]
    return tuple(said for _, said in sorted(judged, key=lambda pair: _ADVICE.index(pair[0])))


def _verdict(experiment, name: str, found: GradientDiscrepancy) -> tuple[str, str]:
    steps = experiment.steps_of(name)
    error, cosine, _, own = numbers(found, fine(experiment))
    label = f"{experiment.scheme(name).name}, h = {experiment.horizon / steps:.3g}"
    never, doubtful, trust = _ADVICE
    if not np.isfinite(error):
        advice, size = never, "no finite gradient"
    elif not np.isfinite(cosine):
        # Only what is 0 has a finite error and no direction.
        advice, size = never, "a gradient of 0, which the exact one is not"
    elif error >= _USELESS or cosine <= 0:
        size = f"error {error:.2g} times the gradient, cosine {cosine:.2f}"
        advice = never
    elif own >= _USELESS:
        # An adjoint may find the gradient of a wrong solution exactly.
        size = f"the adjoint's error is {error:.1g}, the scheme's own {own:.2g} times the gradient"
        advice = never
    elif error >= _DOUBTFUL:
        advice, size = doubtful, f"error {error:.2g}, cosine {cosine:.4f}"
    else:
        advice, size = trust, f"error {error:.1g}"
    why = _reason(experiment, name, steps, well=advice == trust)
    return advice, f"{label}: {advice}: {size}{why and f' ({why})'}."


def _reason(experiment, name, steps, well) -> str:
    kind, scheme = experiment.choice("adjoint"), experiment.scheme(name)
    z = eigenvalues_of(experiment) * experiment.horizon / steps
    if not len(z) or not np.abs(z).max() > 0:
        return ""
    size = f"with |λh| up to {np.abs(z).max():.2g} along the path"
    growth = growth_of(scheme, z)[decaying(z)].max(initial=0.0)
    if not well and growth > _UNSTABLE:
        return f"{size} it is unstable: what should decay grows {growth:.2g} times a step"
    if kind == "recursive":
        return "it rebuilds no state"
    if kind == "continuous":
        return "it solves an equation of its own, to the order of the scheme"
    if scheme.algebraic:
        return "its way back is exact but for round-off"
    defect = float(reversal_defect(scheme, z).max())
    if defect < experiment.unit:
        return f"{size} a step back is exact to round-off"
    return f"{size} a step back misses by {defect:.1g} of the state"
