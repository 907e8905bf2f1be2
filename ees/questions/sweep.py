"""Quantities measured for every scheme, piece by piece, and remembered."""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ees.results import Series


Table = dict[tuple[str, Hashable], Any]


def gather(
    experiment,
    quantity: str,
    pieces: Sequence[Hashable],
    measure: Callable[[str, Any], Any],
    words: Callable[[str, Any], str],
    choices: tuple[str, ...] = (),
) -> Iterator[tuple[Table, tuple[int, int, str]]]:
    """Measures every piece of a quantity for every scheme, in the order given.

    **Arguments:**

    - `quantity`: its name: what two questions measure under one name is measured once.
    - `pieces`: what there is to measure of each scheme; `measure(name, piece)`: does it.
    - `words(name, piece)`: says what is being measured.
    - `choices`: which of the experiment's choices decide the result.

    **Returns:** an iterator over what is known so far, scheme and piece -> result, and `(done,
    total, doing)`. What was measured before under the same conditions is known at once: a move
    of the step-size slider measures nothing.
    """
    jobs = [(name, piece) for name in experiment.schemes for piece in pieces]
    known = {name: remembered(experiment, quantity, name, choices) for name in experiment.schemes}

    def so_far(doing):
        table = {(name, piece): known[name][piece] for name, piece in jobs if piece in known[name]}
        return table, (len(table), len(jobs), doing)

    for name, piece in jobs:
        if piece not in known[name]:
            yield so_far(words(name, piece))
            known[name][piece] = measure(name, piece)
    yield so_far("")


def sweep(
    experiment,
    quantity: str,
    counts: tuple[int, ...],
    measure: Callable[[str, int], tuple[float, ...]],
    choices: tuple[str, ...] = (),
) -> Iterator[tuple[Table, tuple[int, int, str]]]:
    """`gather` over step counts, from the finest to the coarsest."""

    def words(name, n):
        h = experiment.horizon / experiment.steps_of(name, n)
        return f"{experiment.scheme(name).name}, h = {h:.3g}"

    def at(name, n):
        return measure(name, experiment.steps_of(name, n))

    return gather(experiment, quantity, sorted(counts, reverse=True), at, words, choices)


def curves(experiment, table: Table, column: int, log: bool) -> tuple[Series, ...]:
    """One curve a scheme, of a column of the table of a sweep against its own step size."""
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


def decades(series: Sequence[Series], unit: float) -> tuple[float, float]:
    """Whole decades around errors, from two below the rounding unit to 1000 at the most."""
    values = np.concatenate([s.y for s in series] + [[unit]])
    highest = min(values.max(initial=unit), 1e3)
    return unit / 100, float(10.0 ** np.ceil(np.log10(highest) + 0.3))


def around(series: Sequence[Series], unit: float) -> tuple[float, float]:
    """Whole decades around errors alone, within the bounds of `decades`."""
    values = np.concatenate([s.y for s in series] + [np.zeros(0)])
    values = np.clip(values[values > 0], unit, 1e3)
    if not len(values):
        return unit / 100, 1.0
    low, high = np.floor(np.log10(values.min()) - 0.1), np.ceil(np.log10(values.max()) + 0.1)
    return float(10.0**low), float(10.0**high)


def remembered(
    experiment, quantity: str, name: str, choices: tuple[str, ...] = ()
) -> dict[Hashable, Any]:
    """What is known of a quantity for a scheme, to be added to.

    It depends on all that decides a result at a step count: not on the view, the step size, the
    component, nor on choices but those named.
    """
    schemes = (name,) if experiment.equal == "steps" else tuple(sorted(experiment.schemes))
    conditions = dataclasses.replace(
        experiment,
        view="paths",
        part=None,
        schemes=schemes,
        steps=5040,
        component=0,
        choices={choice: experiment.choice(choice) for choice in choices},
    )
    return _memory(quantity, name, conditions.to_json())


def once(experiment, quantity: str, compute: Callable[[], Any]) -> Any:
    """A quantity that no scheme has a part in, computed the first time."""
    known = remembered(dataclasses.replace(experiment, equal="steps"), quantity, "RK4")
    if quantity not in known:
        known[quantity] = compute()
    return known[quantity]


@lru_cache(maxsize=512)
def _memory(quantity: str, name: str, conditions: str) -> dict[Hashable, Any]:
    return {}
