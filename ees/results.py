"""What a computation hands to a view, an export or a reader: numbers with their names.

Every number that is drawn carries its label, symbol and unit from here; nobody writes them a
second time.
"""

import csv
import dataclasses
import io

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """What one axis of a plot means.

    - `label`: words; `symbol`: LaTeX without dollar signs; `unit`: "" for a pure number.
    - `log`: whether it is read on a logarithmic scale.
    """

    label: str
    symbol: str
    unit: str = ""
    log: bool = False


@dataclasses.dataclass(frozen=True)
class Series:
    """One curve.

    - `key`: a name from `ees.SCHEMES`, or `"reference"`, `"guide"`, `"floor"`: what it is.
    - `label`: what the legend says.
    - `x`, `y`: `(points,)` float64, in the units of the plot's axes.
    - `marks`: whether its points are worth a marker each.
    - `left`: `(x, y)` where the curve left the window for good, `None` if it did not.
    """

    key: str
    label: str
    x: np.ndarray
    y: np.ndarray
    marks: bool = False
    left: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Plot:
    """One picture, before anybody draws it.

    - `key`: a name for files; `title`: one line that says what is compared.
    - `x`, `y`: the axes; `series`: the curves, the reference first.
    - `window`: `(low, high)` of the y axis, `None` to follow the data.
    - `cursor`: an x that the user has chosen, `None` if there is none.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    window: tuple[float, float] | None = None
    cursor: float | None = None

    def to_csv(self) -> str:
        """The points as comma-separated text, one line each, under a header with the units."""
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        write(["series", *(f"{a.label} [{a.unit or '1'}]" for a in (self.x, self.y))])
        for series in self.series:
            for x, y in zip(series.x, series.y):
                write([series.label, repr(float(x)), repr(float(y))])
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
