"""Implicit schemes: a step solves an equation."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ees.schemes.base import AbstractScheme


class ImplicitState(eqx.Module):
    """The solution, and what solving for it took so far.

    - `residual`: the largest error left in the equation of a step, before the last Newton step
      polished it: the maximum over the entries, in units of the state.
    - `evaluations`: field evaluations, a whole number in the float type of the state, so that
      states can be differentiated; exact up to $2^{24}$ in float32.

    The way back adds to both: it undoes the solution, not what it took.
    """

    y: PyTree[Array]
    residual: Float[Array, ""]
    evaluations: Float[Array, ""]


class ImplicitMidpoint(AbstractScheme):
    """The implicit midpoint rule: symmetric, so reversible, A-stable and symplectic.

    $y_1 = y_0 + f\\big(t + \\tfrac12 dt, \\tfrac12 (y_0 + y_1)\\big) \\cdot dX$, solved by
    Newton's method with the dense Jacobian of the whole state: for many paths at once,
    `jax.vmap` the solve. The way back is the same step with $-dX$, exact as far as the equation
    is solved. One more Newton step, with solution and Jacobian held, carries the derivatives of
    first order (the implicit function theorem) and polishes the value.

    For a large Brownian increment the equation may have no solution near $y_0$; `residual` in
    `Solution.state` says how well it was solved.

    **Arguments:**

    - `tolerance`: Newton's method ends when the residual is below this, relative to the size of
      the state and its increment, or near it no longer falls by half. `None` is 8 roundings of
      the state's precision.
    - `max_iterations`: at most so many Newton steps, each an evaluation of the field and of its
      Jacobian, beside one at either end.

    **Raises:** `ValueError` for a `tolerance` that is not positive or a `max_iterations` that is
    no positive integer.

    **Reference:** Hairer, Lubich, Wanner, Geometric Numerical Integration, II.1 and V.
    """

    tolerance: float | None = eqx.field(static=True, default=None)
    max_iterations: int = eqx.field(static=True, default=8)
    name: str = eqx.field(static=True, init=False, default="Implicit midpoint")
    shared: int = eqx.field(static=True, init=False, default=0)
    algebraic: bool = eqx.field(static=True, init=False, default=True)

    def __check_init__(self):
        if self.tolerance is not None and not 0 < self.tolerance < np.inf:
            raise ValueError(f"tolerance={self.tolerance}: it must be a positive number or None.")
        whole = isinstance(self.max_iterations, int | np.integer)
        if not whole or isinstance(self.max_iterations, bool) or self.max_iterations < 1:
            raise ValueError(
                f"max_iterations={self.max_iterations!r}: it must be a positive integer."
            )

    @property
    def evaluations(self) -> int:
        """An upper bound: the field evaluations of a step that takes all its Newton steps.

        What the steps made is in `ees.Solution.evaluations`.
        """
        return self.max_iterations + 2

    def spent(self, start, end, steps):
        return (end.evaluations - start.evaluations).astype(jnp.int32)

    def init(self, field, t, y):
        zero = jnp.zeros((), jnp.finfo(jnp.result_type(*jtu.tree_leaves(y))).dtype)
        return ImplicitState(y, zero, zero)

    def begin(self, field, t, state):
        return ()

    def advance(self, field, t, state, begun, dx):
        y0, unravel = ravel_pytree(state.y)

        def error(gain):
            middle = unravel(y0 + 0.5 * gain)
            return gain - ravel_pytree(field(t + 0.5 * dx.dt, middle, dx))[0]

        # The loop cannot be differentiated; everything that the error depends on is held in it.
        held, given = jax.closure_convert(error, y0)
        given = jax.lax.stop_gradient(given)
        gain, jacobian, made = self._newton(lambda gain: held(gain, *given), y0)
        left = error(gain)
        gain = gain - jnp.linalg.solve(jacobian, left)
        residual = jnp.maximum(state.residual, jax.lax.stop_gradient(_size(left)))
        return ImplicitState(unravel(y0 + gain), residual, state.evaluations + made + 1)

    def retreat(self, field, t, state, begun, dx):
        return self.advance(field, t + dx.dt, state, begun, -dx)

    def value(self, state):
        return state.y

    def _newton(self, error, y0):
        """A root near zero, the Jacobian there, and how often `error` was evaluated."""
        start, size = jnp.zeros_like(y0), jax.lax.stop_gradient(_size(y0))
        eps = jnp.finfo(start.dtype).eps
        tolerance = 8 * eps if self.tolerance is None else self.tolerance
        unit = jnp.eye(start.size, dtype=start.dtype)

        def at(gain):
            left, push = jax.linearize(error, gain)
            return left, jax.vmap(push, out_axes=1)(unit)

        def unsolved(carry):
            gain, left, _, before, steps = carry
            error, scale = _size(left), size + _size(gain)
            # Far from the root the error may rise for a while; near it, that is round-off.
            stuck = (error <= jnp.sqrt(eps) * scale) & (error > before / 2)
            return (error > tolerance * scale) & ~stuck & (steps < self.max_iterations)

        def newton(carry):
            gain, left, jacobian, _, steps = carry
            gain = gain - jnp.linalg.solve(jacobian, left)
            return gain, *at(gain), _size(left), steps + 1

        carry = start, *at(start), jnp.asarray(jnp.inf, eps.dtype), jnp.zeros((), eps.dtype)
        gain, _, jacobian, _, steps = jax.lax.while_loop(unsolved, newton, carry)
        return gain, jacobian, steps + 1


def _size(vector):
    return jnp.max(jnp.abs(vector))


IMPLICIT = {"ImplicitMidpoint": ImplicitMidpoint}
