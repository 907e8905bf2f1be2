"""Can the gradient be trusted? An adjoint against float64 discretise-then-optimise."""

from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from ees._pytree import as_arrays, inner
from ees.adjoints import AbstractAdjoint, Reversible, StoredStates
from ees.drivers import AbstractDriver, Increment
from ees.fields import AbstractField
from ees.schemes import AbstractScheme
from ees.solve import solve


class GradientDiscrepancy(eqx.Module):
    """How far an adjoint's gradient is from the exact gradient of the discrete solution.

    - `relative_l2`: $|g - g^*| / |g^*|$, a pure number.
    - `cosine`: the cosine of the angle between the two; below 0, a step downhill goes up.
    - `gradient`, `reference`: `(parameters,)`, $g$ and $g^*$: the field's arrays, then `y0`.
    """

    relative_l2: Float[Array, ""]
    cosine: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    reference: Float[Array, " parameters"]


def half_square(y: PyTree[Array]) -> Float[Array, ""]:
    """The loss $\\tfrac12 |y|^2$."""
    return 0.5 * inner(y, y)


def gradient_discrepancy(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver,
    y0: PyTree[ArrayLike],
    *,
    adjoint: AbstractAdjoint = Reversible(),
    loss: Callable[[PyTree[Array]], Float[Array, ""]] = half_square,
    max_steps: int | None = None,
) -> GradientDiscrepancy:
    """Compares an adjoint's gradient of `loss(y(t1))` with the exact one in float64.

    Both are gradients of the same discrete solution: same scheme, same steps, same noise. The
    reference is `StoredStates` in float64, which `FullBackprop` equals to round-off.

    **Arguments:** as for `ees.solve`; `loss`: of the value at the end; `max_steps`: an upper
    bound of the number of steps. With one, no number of steps below it compiles again.

    **Returns:** a `GradientDiscrepancy`, with respect to every floating-point array of the field
    and to `y0`.

    **Raises:** `ValueError` if float64 is switched off in JAX, or as `ees.solve`.
    """
    if not jax.config.jax_enable_x64:
        raise ValueError(
            "jax_enable_x64=False: the reference gradient is computed in float64; set "
            'jax.config.update("jax_enable_x64", True) at the start.'
        )
    if max_steps is None:
        max_steps = int(driver.steps)
    driver = driver.with_steps(jnp.asarray(driver.steps, jnp.int32))
    return _compare(field, scheme, driver, y0, adjoint, loss, StoredStates(max_steps))


@eqx.filter_jit
def _compare(field, scheme, driver, y0, adjoint, loss, exact):
    def gradient(field, driver, y0, adjoint):
        def objective(parameters):
            field, y0 = parameters
            end = solve(field, scheme, driver, y0, adjoint=adjoint).ys
            return loss(jtu.tree_map(lambda leaf: leaf[0], end))

        # Sixty-four bits for the comparison itself, whatever the gradient was computed in.
        return ravel_pytree(_float64(eqx.filter_grad(objective)((field, y0))))[0]

    y0 = as_arrays(y0)
    found = gradient(field, driver, y0, adjoint)
    wanted = gradient(_float64(field), _Float64(driver), _float64(y0), exact)
    norm = jnp.linalg.norm(wanted)
    return GradientDiscrepancy(
        relative_l2=jnp.linalg.norm(found - wanted) / norm,
        cosine=jnp.vdot(found, wanted) / (jnp.linalg.norm(found) * norm),
        gradient=found,
        reference=wanted,
    )


class _Float64(AbstractDriver):
    """The same increments in float64: drawn there afresh, they would be other numbers."""

    driver: AbstractDriver

    @property
    def t0(self):
        return self.driver.t0.astype(jnp.float64)

    @property
    def t1(self):
        return self.driver.t1.astype(jnp.float64)

    @property
    def steps(self):
        return self.driver.steps

    def with_steps(self, steps):
        return _Float64(self.driver.with_steps(steps))

    def increment(self, i) -> Increment:
        return Increment(self.dt, _float64(self.driver.increment(i).dw))


def _float64(tree):
    return jtu.tree_map(
        lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree
    )
