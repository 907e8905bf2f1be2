"""How large may the step be? The scheme's stability domain against the model's own eigenvalues."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Complex, Float, PyTree

from ees.diagnostics.amplification import coordinates_of, degree_of
from ees.diagnostics.stability import linear_stability
from ees.drivers import Increment
from ees.fields import AbstractField
from ees.schemes import AbstractScheme


# Eigenvalues this close to the imaginary axis, in units of the largest, count as on it.
_AXIS = 1e-8


class Spectrum(eqx.Module):
    """The eigenvalues of the drift's Jacobian along a path.

    - `ts`: `(points,)`, the times.
    - `eigenvalues`: `(points, dim)`, complex, per unit of time, in no particular order; times a
      step size they are the points to look for in a stability domain.
    """

    ts: Float[Array, " points"]
    eigenvalues: Complex[np.ndarray, "points dim"]


class CriticalStep(eqx.Module):
    """The step size at which a scheme leaves its stability domain.

    - `step`: in units of time; 0 if every step is too large, `inf` if nothing limits it.
    - `eigenvalue`: the one that leaves first, per unit of time; NaN if none does.
    - `time`: when on the path that eigenvalue was met; NaN if none leaves.
    """

    step: float
    eigenvalue: complex
    time: float


def spectrum(field: AbstractField, ts: Float[Array, " points"], ys: PyTree[Array]) -> Spectrum:
    """The eigenvalues of $\\partial f / \\partial y$, with $f$ the drift, at points of a path.

    **Arguments:** `field`: an equation with a real state; `ts`, `ys`: as in an `ees.Solution`,
    each leaf of `ys` with a leading axis `(points,)`.

    **Returns:** a `Spectrum`; NaN where a point is not finite.
    """
    jacobians = np.asarray(_jacobians(field, ts, ys))
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    eigenvalues = np.linalg.eigvals(np.where(finite[:, None, None], jacobians, 0)).astype(complex)
    return Spectrum(ts, np.where(finite[:, None], eigenvalues, np.nan))


@eqx.filter_jit
def _jacobians(field, ts, ys):
    def jacobian(t, y):
        flat, unravel = ravel_pytree(y)
        shape = field.noise_shape(t, y)
        still = () if shape is None else jnp.zeros(shape, flat.dtype)
        unit = Increment(jnp.ones((), flat.dtype), still)
        return jax.jacfwd(lambda flat: ravel_pytree(field(t, unravel(flat), unit))[0])(flat)

    return jax.vmap(jacobian)(ts, ys)


def critical_step(scheme: AbstractScheme, spectrum: Spectrum) -> CriticalStep:
    """The largest step at which a scheme lets decay whatever the equation lets decay.

    The largest $h$ such that `linear_stability(scheme, r * eigenvalue)` is at most 1 for all
    $r \\le h$ and every eigenvalue of negative real part on the path.

    It is what linear theory says of frozen coefficients, cheap and without a solve. It does not
    cover noise that feels the state (`mean_square_stability` does), eigenvalues that change
    along the path faster than solutions decay, Jacobians whose eigenvectors are far from
    orthogonal, motion away from the path, and purely imaginary eigenvalues, on which explicit
    schemes grow or decay slowly at every step size.

    **Arguments:** `scheme`: any scheme; `spectrum`: from `ees.spectrum`, along a path that is
    itself stable; points that are not finite are passed over.

    **Returns:** a `CriticalStep`. A stretch of instability narrower than 6 per cent of its
    distance from 0 may be missed; steps below a millionth of $1/|\\lambda|$ count as 0.
    """
    found = np.asarray(spectrum.eigenvalues)
    sizes = np.abs(found)
    with np.errstate(invalid="ignore"):
        decays = found.real < -_AXIS * np.nanmax(sizes, initial=0.0)
    # The others go along as -1, so that the shapes of the computation depend on no value.
    rays = np.where(decays, found / np.where(decays, sizes, 1.0), -1.0)
    steps = np.where(decays, _exits(scheme, rays) / np.where(decays, sizes, 1.0), np.inf)
    point, which = np.unravel_index(np.argmin(steps), steps.shape)
    if not np.isfinite(steps[point, which]):
        return CriticalStep(np.inf, complex(np.nan, np.nan), np.nan)
    return CriticalStep(
        float(steps[point, which]), complex(found[point, which]), float(spectrum.ts[point])
    )


def _exits(scheme, rays) -> Float[np.ndarray, "..."]:
    """How far along each ray from 0 the growth first exceeds 1: by search, then by bisection."""
    degree = degree_of(scheme, coordinates_of(scheme))
    # A polynomial of degree s with slope 1 at 0 leaves the unit disc within 2 s^2 on every ray
    # (Markov's inequality); an implicit scheme may never leave it.
    furthest = 1e3 if degree is None else 2.0 * degree**2 + 1.0
    radii = np.concatenate([[0.0], np.geomspace(1e-6, furthest, 360)])
    # More than round-off is growth.
    most = 1 + max(1e-12, 2 * float(jnp.finfo(jnp.result_type(float)).eps))
    outside = linear_stability(scheme, radii[1:, None, None] * rays) > most
    first = outside.argmax(axis=0)
    low, high = radii[first], radii[first + 1]
    for _ in range(45):
        middle = (low + high) / 2
        beyond = linear_stability(scheme, middle * rays) > most
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    exits = np.where(first == 0, 0.0, low)
    return np.where(outside.any(axis=0), exits, np.inf)
