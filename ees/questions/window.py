"""The window of a picture of paths: it stays with the reference, whatever a scheme does."""

import numpy as np
from jaxtyping import Float


# The window shows the reference and half its span on either side: room to see a path go wrong,
# and the reference still fills half of the picture.
_MARGIN = 0.5
# The mark of a path that left stands this far inside the window, where it is seen whole.
_EDGE = 0.03
# Far outside the window is far outside; a float32 screen cannot hold 1e300.
_FAR = 9.0


def limits(
    reference: Float[np.ndarray, "*points dim"],
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
    """The lowest and highest value of each component that a window shows."""
    values = reference.reshape(-1, reference.shape[-1])
    lows, highs = values.min(axis=0), values.max(axis=0)
    # A constant has no span; a tenth of its size stands in.
    spans = np.maximum(highs - lows, 0.1 * np.maximum(np.abs(lows), np.abs(highs)) + 1e-3)
    return lows - _MARGIN * spans, highs + _MARGIN * spans


def within(ys, lows, highs) -> np.ndarray:
    """`(...,)` from `(..., dim)`: whether all components are finite and in the window."""
    return np.isfinite(ys).all(axis=-1) & ((ys >= lows) & (ys <= highs)).all(axis=-1)


def left_for_good(ys, lows, highs) -> int | None:
    """The first point after which no point is inside again, `None` if the last one is.

    A path that only swings out and returns has not blown up.
    """
    inside = within(ys, lows, highs)
    if inside[-1]:
        return None
    return int(np.flatnonzero(inside)[-1]) + 1 if inside.any() else 0


def clipped(values, window: tuple[float, float]) -> np.ndarray:
    """The values, those far outside no further than a screen can tell."""
    span = window[1] - window[0]
    return np.clip(values, window[0] - _FAR * span, window[1] + _FAR * span)


def inside_of(values, window: tuple[float, float]) -> np.ndarray:
    """The values moved to just inside the window; at its upper edge where there is none."""
    margin = _EDGE * (window[1] - window[0])
    moved = np.clip(values, window[0] + margin, window[1] - margin)
    return np.nan_to_num(moved, nan=window[1] - margin)
