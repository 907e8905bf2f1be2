"""Orders on a logarithmic picture: the slope that points have, and the slope that theory gives."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from ees.results import Series


# A fit rests on the finest points: the coarse ones are not yet on a line.
_FITTED = 6
# Points this close to round-off, in its units, bend away from the line.
_CLEAR = 1000.0
# A guide stands clear of the points that it is to be compared with.
_BELOW = 0.4


def clear(series: Series, floor: float) -> Bool[np.ndarray, " points"]:
    """Which points a slope may rest on: those well above the round-off `floor`."""
    return series.y > _CLEAR * floor


def slope(series: Series, usable: Bool[np.ndarray, " points"], sign: int = 1) -> float:
    """The least-squares slope of log y against log x through the finest usable points.

    **Arguments:** `usable`: `(points,)`, which may count; `sign`: -1 where finer is to the right.

    **Returns:** the slope; NaN with fewer than three points.
    """
    x, y = _finest(series, usable, sign)
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if len(x) >= 3 else math.nan


def guides(
    series: Sequence[Series],
    usable: Sequence[Bool[np.ndarray, " points"]],
    orders: Mapping[str, float],
    sign: int = 1,
    bound: bool = False,
) -> tuple[Series, ...]:
    """A line of the slope that theory gives for each different order, a little below its points.

    **Arguments:** `series`, `usable`: the curves, and which of their points may count; `orders`:
    the key of a curve -> its order, no line where that is not positive and finite; `sign`: as
    for `slope`; `bound`: whether theory gives no more than the least slope.
    """
    found: dict[float, Series] = {}
    for curve, counts in zip(series, usable):
        order = round(orders.get(curve.key, math.nan), 6)
        x, y = _finest(curve, counts, sign)
        if not 0 < order < math.inf or order in found or len(x) < 2:
            continue
        ends = np.array([x.min(), x.max()])
        middle = np.exp(np.log(x).mean()), np.exp(np.log(y).mean())
        line = _BELOW * middle[1] * (ends / middle[0]) ** (sign * order)
        key = "guide" if not found else f"guide/{len(found) + 1}"
        words = f"slope {sign * order:.3g} (theory{', at least' * bound})"
        found[order] = Series(key, words, ends, line)
    return tuple(found.values())


def spoken(label: str, fitted: float, order: float, bound: bool = False) -> str:
    """A curve's slope in words: fitted, and what theory gives, or no less than that."""
    words = f"{label} {fitted:.2f}" if math.isfinite(fitted) else f"{label} none that fits"
    theory = f" (theory {'at least ' * bound}{order:.3g})"
    return words + (theory if math.isfinite(order) else "")


def algebraic(experiment, orders: Mapping[str, float]) -> str:
    """A sentence on the schemes without an order, whose way back is exact but for round-off.

    **Arguments:** `orders`: the key of a scheme -> its order.
    """
    exact = [
        experiment.scheme(name).name for name, order in orders.items() if not math.isfinite(order)
    ]
    if not exact:
        return ""
    return (
        f" Reversible by algebra, to round-off: {', '.join(exact)}; where nothing at all is left, "
        "a logarithmic axis has no place for it."
    )


def _finest(series, usable, sign) -> tuple[Float[np.ndarray, " few"], Float[np.ndarray, " few"]]:
    x, y = series.x[usable], series.y[usable]
    few = np.argsort(sign * x)[:_FITTED]
    return x[few], y[few]
