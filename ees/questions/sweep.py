"""A quantity measured for every scheme over a range of step sizes, point by point."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from ees.results import Plot, Series


Table = dict[tuple[str, int], tuple[float, ...]]


def sweep(
    experiment, counts: tuple[int, ...], measure: Callable[[str, int], tuple[float, ...]]
) -> Iterator[tuple[Table, tuple[int, int, str]]]:
    """Measures every scheme at every step count, from the finest to the coarsest.

    **Arguments:** `counts`: step counts; `measure(name, steps)`: some numbers for a scheme.

    **Returns:** an iterator over what is known so far and `(done, total, doing)`. What was
    measured before under the same conditions is known at once: a move of the step-size slider
    measures nothing.
    """
    counts = sorted(counts, reverse=True)
    jobs = [(name, n) for name in experiment.schemes for n in counts]
    known = {name: _known(_conditions(experiment, name)) for name in experiment.schemes}

    def so_far(doing):
        table = {(name, n): known[name][n] for name, n in jobs if n in known[name]}
        return table, (len(table), len(jobs), doing)

    for name, n in jobs:
        if n not in known[name]:
            steps = experiment.steps_of(name, n)
            label = experiment.scheme(name).name
            yield so_far(f"{label}, h = {experiment.horizon / steps:.3g}")
            known[name][n] = measure(name, steps)
    yield so_far("")


def curves(experiment, table: Table, column: int, log: bool) -> tuple[Series, ...]:
    """One curve a scheme, of a column of the table against its own step size."""
    found = []
    for name in experiment.schemes:
        points = sorted(
            (experiment.horizon / experiment.steps_of(name, n), row[column])
            for (scheme, n), row in table.items()
            if scheme == name
        )
        x, y = np.array(points, float).reshape(-1, 2).T
        drawn = np.isfinite(y) & ((y > 0) | (not log))
        label = experiment.scheme(name).name
        found.append(Series(name, label, x[drawn], y[drawn], marks=True))
    return tuple(found)


def floor(experiment, start: float, end: float) -> Series:
    """The rounding unit of the experiment's precision, as a line to compare errors with."""
    unit = np.full(2, experiment.unit)
    return Series("floor", f"rounding unit, {experiment.precision}", np.array([start, end]), unit)


def decades(series: tuple[Series, ...], unit: float) -> tuple[float, float]:
    """Whole decades around errors, from two below the rounding unit to 1000 at the most."""
    values = np.concatenate([s.y for s in series] + [[unit]])
    highest = min(values.max(initial=unit), 1e3)
    return unit / 100, 10.0 ** np.ceil(np.log10(highest) + 0.3)


@lru_cache(maxsize=512)
def _known(conditions: str) -> dict[int, tuple[float, ...]]:
    return {}


def _conditions(experiment, name: str) -> str:
    """All that decides the result at a step count; the step size and the component do not."""
    equal = () if experiment.equal == "steps" else {"schemes": experiment.schemes}
    schemes = equal["schemes"] if equal else (name,)
    return name + dataclasses.replace(
        experiment,
        schemes=tuple(sorted(schemes)),
        steps=5040,
        component=0,
        choices={n: v for n, v in experiment.choices.items() if n in experiment.question.choices},
    ).to_json()
