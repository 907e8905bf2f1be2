"""Schemes that carry a second copy of the solution, and are reversible by algebra."""

import equinox as eqx
from jaxtyping import Array, PyTree

from ees._pytree import add, add_scaled, scale, subtract
from ees.schemes.base import AbstractScheme


class ReversibleHeunState(eqx.Module):
    """The pair of solutions of Reversible Heun, and the field at the second one."""

    y: PyTree[Array]
    v: PyTree[Array]
    coefficients: PyTree[Array]


class ReversibleHeun(AbstractScheme):
    """Reversible Heun: one evaluation a step, exactly reversible, unstable off $[-i, i]$.

    $v_1 = 2y_0 - v_0 + f(t_0, v_0) \\cdot dX$ and
    $y_1 = y_0 + \\tfrac12 (f(t_0, v_0) + f(t_1, v_1)) \\cdot dX$, with $v_0 = y_0$ at the start.
    The way back solves the same two equations for $(y_0, v_0)$; it is exact but for round-off.

    **Reference:** Kidger, Foster, Li, Lyons, arXiv 2105.13493, Algorithms 1 and 2.
    """

    name: str = eqx.field(static=True, init=False, default="Reversible Heun")
    evaluations: int = eqx.field(static=True, init=False, default=1)
    algebraic: bool = eqx.field(static=True, init=False, default=True)

    def init(self, field, t, y):
        return ReversibleHeunState(y, y, field.coefficients(t, y))

    def begin(self, field, t, state):
        return ()

    def advance(self, field, t, state, begun, dx):
        return self._move(field, t + dx.dt, state, dx)

    def retreat(self, field, t, state, begun, dx):
        return self._move(field, t, state, -dx)

    def _move(self, field, t, state, dx):
        """To time `t`; with `-dx` the same formulas undo the step, by symmetry."""
        here = field.contract(state.coefficients, dx)
        v = add(subtract(scale(2.0, state.y), state.v), here)
        coefficients = field.coefficients(t, v)
        y = add_scaled(state.y, 0.5, add(here, field.contract(coefficients, dx)))
        return ReversibleHeunState(y, v, coefficients)

    def value(self, state):
        return state.y


COUPLED = {"ReversibleHeun": ReversibleHeun}
