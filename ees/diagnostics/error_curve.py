"""An error against the step size, estimated from paths: its confidence interval and its slope."""

from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float


# Half the width of a confidence interval of 95 per cent, in standard errors.
_WIDTH = 1.959963984540054


class ErrorCurve(eqx.Module):
    """An error at every step size, and the slope of its logarithm.

    - `error`: `(counts,)`, in units of the state, or of the functional for a weak error; `inf`
      where a path was not finite.
    - `low`, `high`: `(counts,)`, the ends of a confidence interval of 95 per cent, by the
      central limit theorem over the paths; symmetric about the error on a logarithmic scale,
      for a weak error on a linear one. Too narrow for few paths or heavy tails. They are the
      error itself where there is one path.
    - `fitted`: `(counts,)`, whether the slope rests on this point. Left out are points whose
      interval reaches 0, and those that are not finite or lost in round-off.
    - `slope`: of log error against log h, by least squares; NaN with fewer than two points.
    - `slope_error`: its standard error: sampling, by leaving out one path at a time, and the
      misfit of a straight line, added in quadrature.
    """

    error: Float[np.ndarray, " counts"]
    low: Float[np.ndarray, " counts"]
    high: Float[np.ndarray, " counts"]
    fitted: Bool[np.ndarray, " counts"]
    slope: float
    slope_error: float


def error_curve(
    hs: Float[np.ndarray, " counts"],
    samples: Float[np.ndarray, "counts paths"],
    to_error: Callable[[np.ndarray], np.ndarray],
    floor: float,
    *,
    signed: bool = False,
) -> ErrorCurve:
    """The curve of an error that is an increasing function of an expectation.

    **Arguments:** `hs`: step sizes; `samples`: what the expectation is of, one for each path,
    the same paths at every step size; `to_error`: from the expectation to the error; `floor`:
    the error below which there is only round-off; `signed`: whether the expectation may be 0,
    so that its logarithm has no interval.
    """
    paths = samples.shape[1]
    with np.errstate(all="ignore"):
        mean = samples.mean(axis=1)
        error = to_error(mean)
        without = to_error((paths * mean[:, None] - samples) / max(paths - 1, 1))
        if signed:
            width = _WIDTH * samples.std(axis=1, ddof=min(1, paths - 1)) / np.sqrt(paths)
            low, high = to_error(mean - width), to_error(mean + width)
        else:
            width = np.exp(_WIDTH * _jackknife(np.log(without)))
            low, high = error / width, error * width
        finite = np.isfinite(error)
        error, low, high = (np.where(finite, end, np.inf) for end in (error, low, high))
        fitted = finite & (low > 0) & (error > floor)
        x = np.log(hs[fitted])
        slope, misfit = _line(x, np.log(error[fitted]))
        sampling = _jackknife(_line(x, np.log(without[fitted]))[0])
    return ErrorCurve(error, low, high, fitted, float(slope), float(np.hypot(sampling, misfit)))


def _jackknife(without):
    """The standard error of an estimate from what it is `(..., paths)` without each path."""
    if without.shape[-1] == 1:
        return np.zeros(without.shape[:-1])
    return np.sqrt(without.shape[-1] - 1) * np.std(without, axis=-1)


def _line(x, y):
    """The slope of the straight line through `(points,)` or `(points, lines)`, and its misfit."""
    if len(x) < 2:
        return np.nan * y.sum(axis=0), np.nan
    x = x - x.mean()
    slope = x @ y / (x @ x)
    rest = y - y.mean(axis=0) - np.multiply.outer(x, slope)
    return slope, np.sqrt((rest**2).sum(axis=0) / max(len(x) - 2, 1) / (x @ x))
