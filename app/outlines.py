"""Areas and their boundaries as flat arrays of points, parts apart by NaN.

The rings of an area are closed; an outer ring turns anticlockwise, its holes clockwise.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from contourpy import ContourGenerator, FillType, LineType, contour_generator

from ees.results import Region


Points = tuple[np.ndarray, np.ndarray]
# x, and the low and the high end there.
Band = tuple[np.ndarray, np.ndarray, np.ndarray]

# A growth of 1e300 beside one of 1 would put a boundary on top of a grid point.
_HIGHEST = 1e6


def inside(region: Region, level: float) -> Points:
    """The rings of where a region's values are below a level."""
    polygons, offsets = _contours(region).filled(-np.inf, level)
    ends = (polygon[a:b] for polygon, at in zip(polygons, offsets) for a, b in zip(at, at[1:]))
    return apart(ends)


def boundary(region: Region, level: float) -> Points:
    """The lines on which a region's values pass a level."""
    return apart(_contours(region).lines(level))


def apart(parts: Iterable[np.ndarray]) -> Points:
    """Parts `(points, 2)` one after the other, with NaN between two of them."""
    found = [piece for part in parts for piece in (np.full((1, 2), np.nan), part)]
    x, y = np.concatenate(found[1:] or [np.zeros((0, 2))]).T
    return x, y


def between(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Band:
    """The part of a band that has two ends."""
    drawn = np.isfinite(low) & np.isfinite(high)
    return x[drawn], low[drawn], high[drawn]


def bars(x: np.ndarray, y: np.ndarray) -> Band:
    """The bars of a histogram, each as wide as the points are apart, as a band that stands on 0."""
    if not len(x):
        return x, y, y
    edges = (x[1:] + x[:-1]) / 2 if len(x) > 1 else np.array([])
    first = x[0] - (edges[0] - x[0] if len(edges) else 0.5)
    last = x[-1] + (x[-1] - edges[-1] if len(edges) else 0.5)
    sides = np.repeat(np.concatenate([[first], edges, [last]]), 2)[1:-1]
    return sides, np.zeros(len(sides)), np.repeat(y, 2)


def around(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Points:
    """The ring around a band."""
    return np.concatenate([x, x[::-1], x[:1]]), np.concatenate([low, high[::-1], low[:1]])


def rings(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """The rings of an area: x, y, and whether it is a hole."""
    gaps = np.flatnonzero(np.isnan(x))
    for start, end in zip([0, *(gaps + 1)], [*gaps, len(x)]):
        a, b = x[start:end], y[start:end]
        yield a, b, bool(a @ np.roll(b, -1) - b @ np.roll(a, -1) < 0)


def highest(
    line: Points, across: tuple[float, float], along: tuple[float, float]
) -> tuple[float, float] | None:
    """The highest point of a line within some limits of x and y, if there is one."""
    (x, y), (left, right), (bottom, top) = line, across, along
    seen = np.flatnonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))
    if not len(seen):
        return None
    at = seen[np.argmax(y[seen])]
    return float(x[at]), float(y[at])


def _contours(region: Region) -> ContourGenerator:
    return contour_generator(
        region.x,
        region.y,
        np.ma.masked_invalid(np.minimum(region.values, _HIGHEST * region.level)),
        fill_type=FillType.OuterOffset,
        line_type=LineType.Separate,
    )
