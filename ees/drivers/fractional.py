"""Fractional Gaussian noise, exact in law: the increments of fractional Brownian motion.

The covariance of `cells` unit increments is a Toeplitz matrix. Wrapped to twice the size it is a
circulant matrix, which the Fourier transform diagonalises and whose square root turns white
noise into the noise sought (Davies and Harte 1987). Its eigenvalues are non-negative for every
Hurst index (Dietrich and Newsam 1997, Craigmile 2003), so nothing is approximated.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def autocovariance(hurst: Float[Array, ""], lags: int) -> Float[Array, " lags"]:
    """The covariance of two unit increments of fractional Brownian motion.

    $\\gamma(k) = \\tfrac12 (|k+1|^{2H} - 2|k|^{2H} + |k-1|^{2H})$.

    **Arguments:** `hurst`: $H$; `lags`: how many.

    **Returns:** $\\gamma(0), \\dots, \\gamma(\\text{lags} - 1)$, each to round-off of
    $\\gamma(0) = 1$.
    """
    hurst = jnp.asarray(hurst)
    power = 2 * hurst
    k = jnp.arange(2, max(lags, 2), dtype=hurst.dtype)
    # The three powers of k cancel to nearly nothing at long lags. With x = 1/k, u = artanh x and
    # v = log(1 - x^2)/2, gamma(k) = k^2H (exp(2Hv) cosh(2Hu) - 1): both terms are of its size.
    u, v = jnp.arctanh(1 / k), jnp.log1p(-1 / k**2) / 2
    inner = jnp.expm1(power * v) * jnp.cosh(power * u) + 2 * jnp.sinh(hurst * u) ** 2
    first = jnp.stack([jnp.ones_like(hurst), 2 ** (power - 1) - 1])
    return jnp.concatenate([first, k**power * inner])[:lags]


def eigenvalues(hurst: Float[Array, ""], cells: int) -> Float[Array, " cells+1"]:
    """The eigenvalues of the circulant matrix, up to the middle one; the others mirror them.

    The matrix is of size `2 * cells`, with the first row $\\gamma(0), \\dots, \\gamma(n),
    \\gamma(n-1), \\dots, \\gamma(1)$.
    """
    gamma = autocovariance(hurst, cells + 1)
    return jnp.fft.rfft(jnp.concatenate([gamma, gamma[-2:0:-1]])).real


def fractional_noise(
    white: Float[Array, "twice ..."], hurst: Float[Array, ""]
) -> Float[Array, "cells ..."]:
    """Unit increments of fractional Brownian motion from white noise twice as long.

    The symmetric square root of the circulant matrix: continuous in `hurst` for fixed white
    noise, and at $H = 1/2$ the first half of the white noise itself.

    **Arguments:** `white`: independent standard normals, an even number of them along the first
    axis; `hurst`: $H$ in (0, 1).

    **Returns:** half as many increments along the first axis.
    """
    cells = white.shape[0] // 2
    found = eigenvalues(hurst, cells)
    # Round-off may leave an eigenvalue that is all but zero below it, where the root has no slope.
    root = jnp.where(found > 0, jnp.sqrt(jnp.where(found > 0, found, 1)), 0)
    root = root.reshape(-1, *(1,) * (white.ndim - 1))
    coloured = jnp.fft.irfft(root * jnp.fft.rfft(white, axis=0), n=2 * cells, axis=0)
    return coloured[:cells].astype(white.dtype)
