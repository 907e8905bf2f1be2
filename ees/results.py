"""What a computation hands to a view, an export or a reader: numbers with their names.

Every number that is drawn carries its label, symbol and unit from here; nobody writes them a
second time.
"""

import csv
import dataclasses
import io
from collections.abc import Iterator
from typing import Literal

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """What one axis of a plot means.

    - `label`: words; `symbol`: LaTeX without dollar signs; `unit`: "" for a pure number.
    - `log`: whether it is read on a logarithmic scale; `whole`: whether it counts something.
    """

    label: str
    symbol: str
    unit: str = ""
    log: bool = False
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Series:
    """One curve.

    - `key`: a name from `ees.SCHEMES`, or `"reference"`, `"guide"`, `"floor"`: what it is.
    - `label`: what the legend says.
    - `x`, `y`: `(points,)` float64, in the units of the plot's axes.
    - `look`: how the points are joined: by a `"line"`, not at all (`"dots"`), or each stands as
      one of the `"bars"` of a histogram, from 0 to `y`, as wide as the points are apart.
    - `marks`: whether the points of a line are worth a marker each.
    - `low`, `high`: `(points,)`, a band around the curve, `None` if there is none.
    - `left`: `(x, y)` where the curve left the window for good, `None` if it did not.
    - `times`: `(points,)`, when each point was met, for a path that is not drawn over time.
    """

    key: str
    label: str
    x: np.ndarray
    y: np.ndarray
    look: Literal["line", "dots", "bars"] = "line"
    marks: bool = False
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    left: tuple[float, float] | None = None
    times: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Region:
    """A part of the plane: where a quantity is below a level.

    - `key`, `label`: as for a `Series`; `quantity`: what `values` are.
    - `x`, `y`: `(columns,)`, `(rows,)`, increasing; `values`: `(rows, columns)` on their grid.
    - `level`: the boundary is where `values` passes it.
    - `shaded`: whether the values themselves are worth a shade, not the boundary alone.
    """

    key: str
    label: str
    quantity: Axis
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    level: float = 1.0
    shaded: bool = False


@dataclasses.dataclass(frozen=True)
class Plot:
    """One picture, before anybody draws it.

    - `key`: a name for files; `title`: one line that says what is compared.
    - `x`, `y`: the axes; `series`: the curves, the reference first.
    - `regions`: parts of the plane, drawn below the curves.
    - `window`: `(low, high)` of the y axis, `None` to follow the data; `range`: of the x axis.
    - `cursor`: an x that the user has chosen, `None` if there is none.
    - `square`: whether both axes have one scale.
    - `caption`: what is to be seen, in sentences with numbers, for those who cannot see it too.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    regions: tuple[Region, ...] = ()
    window: tuple[float, float] | None = None
    range: tuple[float, float] | None = None
    cursor: float | None = None
    square: bool = False
    caption: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        """What the columns of `rows` hold, with units."""
        columns = [_column(self.x), _column(self.y)]
        if self.regions:
            columns.append(_column(self.regions[0].quantity))
        if any(series.low is not None for series in self.series):
            columns += [f"{_column(self.y)}, {end} end" for end in ("low", "high")]
        if self._timed:
            columns.append("time [1]")
        return ("series", *columns)

    def rows(self) -> Iterator[tuple[str | float, ...]]:
        """The numbers that are drawn: a label and floats, `nan` where a column has no meaning."""
        banded = any(series.low is not None for series in self.series)
        for series in self.series:
            nothing = np.full(len(series.x), np.nan)
            band = [nothing if end is None else end for end in (series.low, series.high)]
            columns = [nothing] * bool(self.regions) + band * banded
            if self._timed:
                columns.append(nothing if series.times is None else series.times)
            for numbers in zip(series.x, series.y, *columns):
                yield series.label, *map(float, numbers)
        for region in self.regions:
            for y, values in zip(region.y, region.values):
                for x, value in zip(region.x, values):
                    nothing = [np.nan] * (2 * banded + self._timed)
                    yield region.label, float(x), float(y), float(value), *nothing

    @property
    def _timed(self) -> bool:
        return any(series.times is not None for series in self.series)

    def to_csv(self) -> str:
        """The numbers as comma-separated text, one line each, under a header with the units."""
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        write(self.header)
        for label, *numbers in self.rows():
            write([label, *("" if number != number else repr(number) for number in numbers)])
        return text.getvalue()


@dataclasses.dataclass(frozen=True)
class Report:
    """What a computation has so far: a cancelled one keeps its last report.

    - `plots`: the pictures; `messages`: what happened that a reader must know, in sentences.
    - `done`, `total`: pieces of work; `doing`: what comes next, "" at the end.
    """

    plots: tuple[Plot, ...]
    messages: tuple[str, ...] = ()
    done: int = 1
    total: int = 1
    doing: str = ""


def _column(axis: Axis) -> str:
    return f"{axis.label} [{axis.unit or '1'}]"
