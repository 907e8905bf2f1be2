"""What does a gradient cost? Memory and evaluations of every adjoint against the steps."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import memory
from ees.drivers import LATTICE
from ees.questions.base import Question
from ees.questions.gradients.measure import CHOICES, adjoint
from ees.questions.sweep import gather
from ees.results import Axis, Plot, Report, Series


# Each is compiled by itself, because memory is known to the compiler alone.
COUNTS = (144, 1008, 5040)
ADJOINTS = {
    "tape": "full tape",
    "recursive": "recursive checkpoints",
    "sparse": "reversible, checkpoints",
    "reversible": "reversible",
    "continuous": "continuous",
}

_STEPS = Axis("steps", "N", log=True)
_BLANKS = (
    Plot(
        key="gradients-memory",
        title="",
        x=_STEPS,
        y=Axis("memory", "M", "bytes", log=True),
        series=(),
        window=(1e2, 1e8),
    ),
    Plot(
        key="gradients-evaluations",
        title="",
        x=_STEPS,
        y=Axis("field evaluations", "n", log=True),
        series=(),
        window=(1e2, 1e5),
    ),
)


def cost(experiment) -> Iterator[Report]:
    """Bytes that the compiled gradient allocates, and its evaluations, of the first scheme."""
    name = experiment.schemes[0]
    alone = dataclasses.replace(experiment, schemes=(name,))
    label = experiment.scheme(name).name
    every = f"every {experiment.choice('every')} steps"
    words = {**ADJOINTS, "sparse": f"{ADJOINTS['sparse']} {every}"}
    # Only the sparse adjoint feels how far its checkpoints are apart.
    pieces = [
        (kind, experiment.choice("every") if kind == "sparse" else 0, n)
        for kind in ADJOINTS
        for n in COUNTS
    ]

    def measure(name, piece):
        kind, _, n = piece
        field, scheme, driver, y0 = experiment.problem(name, LATTICE)
        found = memory(field, scheme, driver.with_steps(n), y0, adjoint(experiment, kind, None))
        return found.temp_bytes, n * found.forward_evaluations, n * found.backward_evaluations

    def doing(name, piece):
        return f"{words[piece[0]]}, N = {piece[2]}"

    for table, progress in gather(alone, "cost of a gradient", pieces, measure, doing):
        drawn = {kind: _series(table, kind, words[kind]) for kind in ADJOINTS}
        yield Report(_plots(experiment, label, drawn), _summary(label, drawn), *progress)


def _series(table, kind, words) -> tuple[Series, Series]:
    rows = sorted((n, *row) for (_, (k, _, n)), row in table.items() if k == kind)
    n, size, forward, backward = np.array(rows, float).reshape(-1, 4).T
    points = np.maximum(size, 1.0), forward + backward
    return tuple(Series(kind, words, n, y, marks=True) for y in points)


def _plots(experiment, label, drawn) -> tuple[Plot, ...]:
    title = f"{experiment.subject.title}, {label}"
    found = []
    for i, (blank, what) in enumerate(zip(_BLANKS, ("memory", "evaluations"))):
        series = tuple(pair[i] for pair in drawn.values())
        values = np.concatenate([s.y for s in series])
        said = [f"{s.label} {s.y[-1]:.4g}" for s in series if len(s.y) == len(COUNTS)]
        window = (values.min() / 2, values.max() * 2) if len(values) else blank.window
        found.append(
            dataclasses.replace(
                blank,
                title=f"{title}: {what} of a gradient",
                series=series,
                window=(float(window[0]), float(window[1])),
                caption=(
                    "Bytes that the compiled gradient allocates while it runs, by XLA's account"
                    if what == "memory"
                    else "Field evaluations of the forward and the backward pass together"
                )
                + (f". At N = {COUNTS[-1]}: {', '.join(said)}." if said else "."),
            )
        )
    return tuple(found)


def _summary(label, drawn) -> tuple[str, ...]:
    sizes = {kind: pair[0].y for kind, pair in drawn.items()}
    if any(len(y) < len(COUNTS) for y in sizes.values()):
        return (f"{label}: what each adjoint needs, as the compiler finds it out.",)
    few, many = COUNTS[0], COUNTS[-1]
    grown = {kind: y[-1] / y[0] for kind, y in sizes.items()}
    kept = (
        "stays as it is" if grown["reversible"] == 1 else f"grows {grown['reversible']:.3g} times"
    )
    return (
        f"{label}: from {few} to {many} steps the memory of the reversible adjoint {kept}, that of "
        f"recursive checkpoints grows {grown['recursive']:.3g} times and that of a full tape "
        f"{grown['tape']:.3g} times.",
    )


COST = Question(cost, _BLANKS, {"every": CHOICES["every"]}, steady=True)
