"""Can a scheme run backwards? The error with which it finds its own way back."""

import equinox as eqx
import jax, jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ees._pytree import distance
from ees.drivers import AbstractDriver
from ees.fields import AbstractField
from ees.schemes import AbstractScheme
from ees.solve import reverse, solve


class Reconstruction(eqx.Module):
    """A forward pass and the backward pass from its end.

    - `ts`: `(saved,)`, increasing times.
    - `forward`, `backward`: the values of the two passes at those times.
    - `error`: `(saved,)`, the Euclidean norm of their difference, in units of the state. It is
      0 at the last time, where the backward pass starts; at the first it is the error with
      which `y0` is recovered.
    """

    ts: Float[Array, " saved"]
    forward: PyTree[Array]
    backward: PyTree[Array]
    error: Float[Array, " saved"]


def reconstruction(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver,
    y0: PyTree[ArrayLike],
    *,
    save: int = 2,
) -> Reconstruction:
    """Solves forwards, then back from the end with the scheme's reverse steps.

    **Arguments:** as for `ees.solve`; `save`: the number of evenly spaced times at which the
    two passes are compared, at least 2.

    **Returns:** a `Reconstruction`. Where a pass is not finite, neither is the error.

    **Raises:** `ValueError` as `ees.solve`.

    **Reference:** for Runge-Kutta schemes the error is $O(h^m)$ with the antisymmetric order
    $m$ for ODEs, and $O(h^{(m+1)\\alpha - 1})$ for a path of Holder exponent $\\alpha$
    (arXiv 2509.20599).
    """
    steps = jnp.asarray(driver.steps, jnp.int32)
    return _there_and_back(field, scheme, driver.with_steps(steps), y0, save)


@eqx.filter_jit
def _there_and_back(field, scheme, driver, y0, save) -> Reconstruction:
    there = solve(field, scheme, driver, y0, save=save)
    back = reverse(field, scheme, driver, there.state, save=save)
    returned = jax.tree.map(lambda leaf: leaf[::-1], back.ys)
    error = jax.vmap(distance)(there.ys, returned)
    return Reconstruction(there.ts, there.ys, returned, error)
