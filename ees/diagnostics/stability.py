"""Why does it blow up? The growth per step of a scheme on the linear test equation."""

import dataclasses
from functools import cache
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from numpy.polynomial.hermite_e import hermegauss

from ees.diagnostics.amplification import coordinates_of, degree_of, step_matrices
from ees.schemes import AbstractScheme


def linear_stability(
    scheme: AbstractScheme, z: complex | Complex[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """The growth factor per step on $y' = \\lambda y$, at $z = \\lambda h$.

    The spectral radius of the matrix $M(z)$ of one step: $|R(z)|$ for a Runge-Kutta scheme. A
    solution decays where it is below 1 and blows up where it is above. Where it is 1 a coupled
    scheme may still grow, but no faster than linearly in the number of steps.

    **Arguments:** `scheme`: any scheme; `z`: complex numbers in an array of any shape, or one.

    **Returns:** a NumPy array of the shape of `z`, a pure number per step, 0 or more; `inf` at a
    pole.
    """
    z = np.asarray(z)
    return _radius(step_matrices(scheme, coordinates_of(scheme), jnp.asarray(z, complex)))


def reversal_defect(
    scheme: AbstractScheme, z: complex | Complex[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """How far a step and a step back miss the start on $y' = \\lambda y$, at $z = \\lambda h$.

    $|1 - R(z) R(-z)|$: exactly $|z|^6 / 64$ for EES(2,5), whatever its parameter, and 0 for a
    scheme that is reversible by algebra.

    **Arguments:** `scheme`: any scheme; `z`: complex numbers in an array of any shape, or one.

    **Returns:** a NumPy array of the shape of `z`, relative to the state.

    **Reference:** arXiv 2509.20599, linear stability.
    """
    z = np.asarray(z, complex)
    if scheme.algebraic:
        return np.zeros(z.shape)
    coordinates = coordinates_of(scheme)
    there, back = (step_matrices(scheme, coordinates, jnp.asarray(w)) for w in (z, -z))
    return np.abs(1 - np.asarray(there @ back)[..., 0, 0])


def mean_square_stability(
    scheme: AbstractScheme,
    lambda_dt: complex | Complex[np.ndarray, "..."],
    mu2_dt: complex | Complex[np.ndarray, "..."],
    *,
    reading: Literal["stratonovich", "ito"] = "stratonovich",
    definition: Literal["second_moment", "published"] = "second_moment",
) -> Float[np.ndarray, "..."]:
    """The growth factor per step of the second moment $\\mathbb E|y|^2$, on the test equation.

    In every step $\\rho = \\lambda\\,dt + \\mu\\sqrt{dt}\\,\\xi$ with a real standard normal $\\xi$
    and the principal root $\\mu = \\sqrt{\\mu^2}$; the other root gives the same law. The factor
    is the spectral radius of $\\mathbb E[M(\\rho) \\otimes \\overline{M(\\rho)}]$, which is
    $\\mathbb E|R(\\rho)|^2$ for a Runge-Kutta scheme. The expectation is exact but for round-off:
    Gauss-Hermite quadrature with as many nodes as the degree of $M$ needs.

    **Arguments:**

    - `scheme`: a scheme whose step is a polynomial in the increment: every explicit one.
    - `lambda_dt`, `mu2_dt`: complex numbers in arrays that broadcast. `mu2_dt` is the variance
      $\\mu^2 dt$, not its root.
    - `reading`: of the equation that `lambda_dt` and `mu2_dt` belong to. `"ito"` is brought to
      the Stratonovich form that a scheme solves, with $\\lambda - \\mu^2/2$ for $\\lambda$.
    - `definition`: `"published"` is the spectral radius of $\\mathbb E[M \\otimes M]$ instead,
      $|\\mathbb E[R^2]|$: what the published figure shows. It is never larger; the two agree for
      real $\\lambda$ and $\\mu$ only, and it says nothing about stability elsewhere.

    **Returns:** a NumPy array of the broadcast shape, a pure number per step; the scheme is
    mean-square stable where it is below 1.

    **Raises:** `ValueError` for another `reading` or `definition`, or for an implicit scheme:
    its step has a pole, where a second moment is infinite if noise can reach it.

    **Reference:** arXiv 2509.20599, mean-square stability; Higham, SIAM J. Numer. Anal. 38
    (2000).
    """
    if reading not in ("stratonovich", "ito"):
        raise ValueError(f'reading={reading!r}: it must be "stratonovich" or "ito".')
    if definition not in ("second_moment", "published"):
        raise ValueError(f'definition={definition!r}: it must be "second_moment" or "published".')
    coordinates = coordinates_of(scheme)
    degree = degree_of(scheme, coordinates)
    if degree is None:
        raise ValueError(
            f"scheme={scheme.name}: its step is no polynomial in the increment, and its second "
            "moment is infinite wherever the noise can reach a pole; take an explicit scheme."
        )
    lambda_dt, mu2_dt = np.broadcast_arrays(lambda_dt, mu2_dt)
    lambda_dt, mu2_dt = jnp.asarray(lambda_dt, complex), jnp.asarray(mu2_dt, complex)
    if reading == "ito":
        lambda_dt = lambda_dt - mu2_dt / 2
    # Exact for polynomials up to twice the degree of M, and one degree more.
    nodes, weights = hermegauss(degree + 1)
    rho = lambda_dt[..., None] + jnp.sqrt(mu2_dt)[..., None] * nodes
    matrices = step_matrices(scheme, coordinates, rho)
    return _radius(_moments(matrices, weights / weights.sum(), definition == "second_moment"))


@dataclasses.dataclass(frozen=True)
class CrossSection:
    """A plane $(a, b)$ through the complex pairs $(\\lambda\\,dt, \\mu^2 dt)$.

    The published figure names its axes $\\lambda\\,dt = d\\,a$ and $\\mu^2 dt = n\\,b$ with two
    complex directions $d$, $n$, but was drawn with $\\mu\\sqrt{dt} = n\\,b$: `b` is a deviation
    there, not a variance, which is why its panels are symmetric in `b`.

    - `drift`, `noise`: $d$ and $n$, pure numbers; `drift_latex`, `noise_latex`: as written.
    - `a`, `b`: `(low, high)`, the window of the published figure.
    """

    drift: complex
    noise: complex
    drift_latex: str
    noise_latex: str
    a: tuple[float, float]
    b: tuple[float, float]

    def parameters(
        self, a: Float[Array, "..."], b: Float[Array, "..."], *, variance: bool = False
    ) -> tuple[Complex[np.ndarray, "..."], Complex[np.ndarray, "..."]]:
        """`lambda_dt` and `mu2_dt` at the points `(a, b)`, for `mean_square_stability`.

        **Arguments:** `a`, `b`: real arrays that broadcast; `variance`: whether `b` is read as
        the axis says, $\\mu^2 dt = n\\,b$; otherwise as drawn, $\\mu^2 dt = (n\\,b)^2$.
        """
        a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
        return self.drift * a, self.noise * b if variance else (self.noise * b) ** 2


CROSS_SECTIONS = (
    CrossSection(1, 1, "a", "b", (-3.5, 1.0), (-1.5, 1.5)),
    CrossSection(1j, 1j, "ai", "bi", (-3.5, 3.5), (-2.5, 2.5)),
    CrossSection(1 + 1j, 1 + 1j, "a(1+i)", "b(1+i)", (-2.5, 1.0), (-1.5, 1.5)),
    CrossSection(1 + 1j, 1 - 1j, "a(1+i)", "b(1-i)", (-3.5, 1.0), (-1.0, 1.0)),
)
"""The four panels of the published mean-square figure (arXiv 2509.20599), in its order."""


@eqx.filter_jit
def _moments(matrices, weights, conjugate):
    """$\\sum_k w_k M_k \\otimes \\overline{M_k}$ on Hermitian matrices; unconjugated, on all."""
    size = matrices.shape[-1]
    right = jnp.conj(matrices) if conjugate else matrices
    moments = jnp.einsum("k,...kij,...klm->...iljm", weights, matrices, right)
    moments = moments.reshape(*matrices.shape[:-3], size**2, size**2)
    if not conjugate:
        return moments
    # $S \\mapsto \\mathbb E[M S M^*]$ keeps Hermitian matrices Hermitian, and grows fastest on
    # them: a real matrix, whose eigenvalues cost a third.
    basis = _hermitian(size)
    return (jnp.conj(basis.T) @ moments @ basis).real


@cache
def _hermitian(size) -> Complex[np.ndarray, "entries entries"]:
    """An orthonormal real basis of the Hermitian matrices, ravelled into columns."""
    columns = []
    for i in range(size):
        for j in range(size):
            matrix = np.zeros((size, size), complex)
            matrix[i, j] = 1 if i <= j else 1j
            matrix = matrix + matrix.conj().T
            columns.append(matrix.ravel() / np.linalg.norm(matrix))
    return np.stack(columns, axis=1)


def _radius(matrices) -> Float[np.ndarray, "..."]:
    """The spectral radius of matrices `(..., n, n)`; `inf` where one is not finite."""
    matrices = np.asarray(matrices)
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    matrices = np.where(finite[..., None, None], matrices, 0)
    if matrices.shape[-1] == 1:
        radius = np.abs(matrices[..., 0, 0])
    elif matrices.shape[-1] == 2:
        (a, b), (c, d) = np.moveaxis(matrices, (-2, -1), (0, 1))
        middle, apart = (a + d) / 2, np.sqrt(((a - d) / 2) ** 2 + b * c + 0j)
        radius = np.maximum(np.abs(middle + apart), np.abs(middle - apart))
    else:
        radius = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    return np.where(finite, radius, np.inf)
