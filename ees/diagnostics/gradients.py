"""Can the gradient be trusted? An adjoint against float64 discretise-then-optimise."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, PyTree

from ees._pytree import as_arrays, inner
from ees.adjoints import AbstractAdjoint, Reversible, StoredStates
from ees.drivers import AbstractDriver, Brownian, Increment
from ees.fields import AbstractField
from ees.schemes import RK4, AbstractScheme
from ees.solve import solve


class GradientDiscrepancy(eqx.Module):
    """How far an adjoint's gradient is from the exact gradient of the discrete solution.

    - `relative_l2`: $|g - g^*| / |g^*|$, a pure number.
    - `cosine`: the cosine of the angle between the two; below 0, a step downhill goes up.
    - `gradient`, `reference`: `(parameters,)`, $g$ and $g^*$: the field's arrays, then `y0`.
    - `fine`: `(parameters,)`, the gradient $\\bar g$ of a fine discretisation of the same path;
      `None` where none was asked for.
    - `discretisation`: $|g^* - \\bar g| / |\\bar g|$, the scheme's own error, which no adjoint
      can mend; `None` likewise.
    """

    relative_l2: Float[Array, ""]
    cosine: Float[Array, ""]
    gradient: Float[Array, " parameters"]
    reference: Float[Array, " parameters"]
    fine: Float[Array, " parameters"] | None = None
    discretisation: Float[Array, ""] | None = None


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
    fine: int | None = None,
) -> GradientDiscrepancy:
    """Compares an adjoint's gradient of `loss(y(t1))` with the exact one in float64.

    Both are gradients of the same discrete solution: same scheme, same steps, same noise. The
    reference is `StoredStates` in float64, which `FullBackprop` equals to round-off.

    **Arguments:** as for `ees.solve`; `loss`: of the value at the end; `max_steps`: an upper
    bound of the number of steps. With one, no number of steps below it compiles again; `fine`: a
    number of steps for a gradient by RK4 in float64 along the same path, to tell the scheme's own
    error from the adjoint's.

    **Returns:** a `GradientDiscrepancy`, with respect to every floating-point array of the field
    and to `y0`.

    **Raises:** `ValueError` if float64 is switched off in JAX, for a `fine` that the driver cannot
    take or with a driver whose path changes with the steps (`Brownian`), or as `ees.solve`.
    """
    if not jax.config.jax_enable_x64:
        raise ValueError(
            "jax_enable_x64=False: the reference gradient is computed in float64; set "
            'jax.config.update("jax_enable_x64", True) at the start.'
        )
    if max_steps is None:
        max_steps = int(driver.steps)
    y0, finer = as_arrays(y0), None
    if fine is not None:
        if isinstance(driver, Brownian):
            raise ValueError(
                f"fine={fine}: with another number of steps {type(driver).__name__} is another "
                "path; take ees.BrownianPath, which is the same one."
            )
        finer = Float64(driver.with_steps(fine))
        finer = _exact(float64(field), RK4(), finer, float64(y0), StoredStates(fine), loss)
    driver = driver.with_steps(jnp.asarray(driver.steps, jnp.int32))
    found = _compare(field, scheme, driver, y0, adjoint, loss, StoredStates(max_steps))
    if finer is None:
        return found
    error = jnp.linalg.norm(found.reference - finer) / jnp.linalg.norm(finer)
    return dataclasses.replace(found, fine=finer, discretisation=error)


def _gradient(field, scheme, driver, y0, adjoint, loss):
    def objective(parameters):
        field, y0 = parameters
        end = solve(field, scheme, driver, y0, adjoint=adjoint).ys
        return loss(jtu.tree_map(lambda leaf: leaf[0], end))

    # Sixty-four bits for the comparison itself, whatever the gradient was computed in.
    return ravel_pytree(float64(eqx.filter_grad(objective)((field, y0))))[0]


_exact = eqx.filter_jit(_gradient)


@eqx.filter_jit
def _compare(field, scheme, driver, y0, adjoint, loss, exact):
    found = _gradient(field, scheme, driver, y0, adjoint, loss)
    wanted = _gradient(float64(field), scheme, Float64(driver), float64(y0), exact, loss)
    norm = jnp.linalg.norm(wanted)
    return GradientDiscrepancy(
        relative_l2=jnp.linalg.norm(found - wanted) / norm,
        cosine=jnp.vdot(found, wanted) / (jnp.linalg.norm(found) * norm),
        gradient=found,
        reference=wanted,
    )


class Float64(AbstractDriver):
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
        return Float64(self.driver.with_steps(steps))

    def increment(self, i) -> Increment:
        return Increment(self.dt, float64(self.driver.increment(i).dw))


def float64(tree):
    return jtu.tree_map(
        lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree
    )
