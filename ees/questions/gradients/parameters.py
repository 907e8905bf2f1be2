"""Which entries of a gradient are wrong? All of them, one by one, at the present step."""

import dataclasses
from collections.abc import Iterator

import equinox as eqx
import jax.tree_util as jtu
import numpy as np

from ees.questions.base import Question
from ees.questions.gradients.measure import CHOICES, discrepancy, fine, means, verdicts
from ees.questions.window import clipped
from ees.results import Axis, Plot, Report, Series


# With more entries than this, names would fill the page.
_NAMED = 12
# Where the two marks of a scheme stand, between two whole numbers.
_ROOM = 0.7

_BLANKS = (
    Plot(
        key="gradients-parameters",
        title="",
        x=Axis("parameter", "i", whole=True),
        y=Axis("gradient", r"\partial L / \partial \theta_i"),
        series=(),
        window=(-1.0, 1.0),
    ),
)


def by_parameter(experiment) -> Iterator[Report]:
    """Every entry of the gradient of |y(T)|^2 / 2: finely solved, exact, and by the adjoint."""
    truth = fine(experiment)
    index = np.arange(1, len(truth) + 1, dtype=float)
    series = [Series("reference", "fine solution", index, truth, look="bars")]
    measured, spread, worst = [], [truth, np.zeros(1)], []
    slots = np.linspace(-_ROOM / 2, _ROOM / 2, 2 * len(experiment.schemes) + 2)[1:-1]
    names = _names(experiment)
    for i, name in enumerate(experiment.schemes):
        found = discrepancy(experiment, name, experiment.steps_of(name))
        measured.append((name, found))
        label = experiment.scheme(name).name
        exact, g = np.asarray(found.reference), np.asarray(found.gradient)
        if np.isfinite(exact).all():
            spread.append(exact)
        for key, words, y, slot in (
            (f"{name}/exact", f"{label}, exact", exact, slots[2 * i]),
            (name, f"{label}, adjoint", g, slots[2 * i + 1]),
        ):
            seen = np.isfinite(y)
            series.append(Series(key, words, (index + slot)[seen], y[seen], look="dots"))
        off = np.abs(g - exact)
        if np.isfinite(off).all():
            entry = int(off.argmax())
            worst.append(f"{label} at {names[entry]}: {g[entry]:.4g} for {exact[entry]:.4g}")
    low, high = (float(end(np.concatenate(spread))) for end in (np.min, np.max))
    margin = 0.1 * (high - low) + 1e-12
    window = low - margin, high + margin
    series = [dataclasses.replace(s, y=clipped(s.y, window)) for s in series]
    plot = dataclasses.replace(
        _BLANKS[0],
        title=f"{experiment.subject.title}: gradient by parameter, by {means(experiment)}",
        series=tuple(series),
        window=window,
        range=(0.5, len(truth) + 0.5),
        caption=f"{_listed(names)} Bars are the gradient of a fine solution; of each scheme, the "
        f"exact discrete gradient and the adjoint's. Furthest off: {'; '.join(worst)}.",
    )
    yield Report((plot,), verdicts(experiment, measured))


def _names(experiment) -> list[str]:
    """What each entry of a gradient belongs to, in the order of the entries."""
    field, _, _, y0 = experiment.problem(experiment.schemes[0], experiment.steps)
    held = jtu.tree_flatten_with_path(eqx.filter((field, y0), eqx.is_inexact_array))[0]
    found = []
    for path, leaf in held:
        # Where it is held in the field; the start is the second of the two.
        name = jtu.keystr(path[1:]).lstrip(".") or "y0"
        each = np.ndindex(*np.shape(leaf))
        found += [f"{name}[{', '.join(map(str, i))}]" if i else name for i in each]
    return found


def _listed(names) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} entries, from 1 {names[0]} to {len(names)} {names[-1]}."
    return f"The entries are {', '.join(f'{i} {name}' for i, name in enumerate(names, 1))}."


PARAMETERS = Question(by_parameter, _BLANKS, CHOICES)
