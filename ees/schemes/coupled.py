"""Schemes that carry a second copy of the solution, and are reversible by algebra."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from ees._pytree import add, add_scaled, scale, subtract
from ees.schemes.base import AbstractScheme
from ees.schemes.runge_kutta import Euler, Midpoint, RungeKutta


class Pair(eqx.Module):
    """The solution and what goes along with it."""

    y: PyTree[Array]
    v: PyTree[Array]


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
    shared: int = eqx.field(static=True, init=False, default=0)
    algebraic: bool = eqx.field(static=True, init=False, default=True)

    @property
    def entrywise(self):
        return True

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


class McCallumFoster(AbstractScheme):
    """The coupling of McCallum and Foster: any explicit scheme, made exactly reversible.

    $y_1 = \\lambda y_0 + (1 - \\lambda) v_0 + \\Psi(t_0, v_0, dX)$ and
    $v_1 = v_0 - \\Psi(t_1, y_1, -dX)$, where $\\Psi$ is the increment over a step of the base
    scheme, whose order it keeps; $v_0 = y_0$ at the start. The way back divides by $\\lambda$,
    and so does the round-off with every step.

    On $y' = zy$ with real $z < 0$ and the base Euler, it is stable for $|z| < 1 - \\lambda$ alone:
    near $\\lambda = 1$ it is hardly more stable than Reversible Heun.

    For an SDE the base must converge to the Stratonovich solution. Euler does so for additive
    noise only; with noise that feels the state the coupling on Euler tends to the solution with
    $\\tfrac12 \\sum_j (D g_j)\\,g_j$ too much drift, as soon as the step is far below
    $1 - \\lambda$, because $v$ trails $y$ by the square of each increment.

    **Arguments:** `base`: any `RungeKutta`; `coupling`: $\\lambda$ in (0, 1], a leaf; the papers
    on neural SDEs take 0.99.

    **Raises:** `ValueError` for another `base`, or a `coupling` outside. A traced one cannot be
    checked.

    **Reference:** McCallum, Foster, arXiv 2410.11648; for SDEs, arXiv 2509.20599.
    """

    base: RungeKutta
    coupling: Float[Array, ""]
    shared: int = eqx.field(static=True, init=False, default=0)
    algebraic: bool = eqx.field(static=True, init=False, default=True)

    def __init__(self, base: RungeKutta = Euler(), coupling: float = 0.99):
        if not isinstance(base, RungeKutta):
            raise ValueError(f"base={base!r}: it must be an explicit scheme, an ees.RungeKutta.")
        self.base, self.coupling = base, _number(coupling)
        if not isinstance(coupling, jax.core.Tracer) and not 0 < coupling <= 1:
            raise ValueError(f"coupling={coupling}: allowed is every number above 0 and up to 1.")

    @property
    def name(self) -> str:
        return f"McCallum-Foster ({self.base.name})"

    @property
    def evaluations(self) -> int:
        return 2 * self.base.evaluations

    @property
    def entrywise(self):
        return True

    def init(self, field, t, y):
        return Pair(y, y)

    def begin(self, field, t, state):
        return ()

    def advance(self, field, t, state, begun, dx):
        ahead = self._gain(field, t, state.v, dx)
        y = add(add_scaled(state.v, self.coupling, subtract(state.y, state.v)), ahead)
        return Pair(y, subtract(state.v, self._gain(field, t + dx.dt, y, -dx)))

    def retreat(self, field, t, state, begun, dx):
        v = add(state.v, self._gain(field, t + dx.dt, state.y, -dx))
        apart = subtract(subtract(state.y, v), self._gain(field, t, v, dx))
        return Pair(add_scaled(v, 1 / self.coupling, apart), v)

    def _gain(self, field, t, y, dx):
        return subtract(self.base.step(field, t, y, dx), y)

    def value(self, state):
        return state.y


def McCallumFosterMidpoint(coupling: float = 0.99) -> McCallumFoster:
    """The coupling of McCallum and Foster on the explicit midpoint rule: see `McCallumFoster`."""
    return McCallumFoster(Midpoint(), coupling)


class AsynchronousLeapfrog(AbstractScheme):
    """Asynchronous leapfrog, the scheme of MALI: one evaluation a step, exactly reversible.

    $m = y_0 + \\tfrac12 v_0 \\cdot dX,\\; u = f(t + \\tfrac12 dt, m),\\;
    v_1 = v_0 + 2\\eta (u - v_0),\\; y_1 = m + \\tfrac12 v_1 \\cdot dX$, with
    $v_0 = f(t_0, y_0)$ at the start.

    Published for ODEs, where $v$ is the derivative and $h$ stands for $dX$. Here $v$ holds the
    field's coefficients, drift and diffusion, which meet the increment of the step: this is as
    reversible, and $\\eta = 1$, where $y_1 = y_0 + u \\cdot dX$, converges to the Stratonovich
    solution. The error of $v$ keeps its size from step to step and changes its sign, so it is
    of the size of the square root of a step, and adds up to nothing.

    Damped, with $\\eta < 1$, it is of order 1 for ODEs; $v$ lags behind by noise of the past
    alone, which leaves $\\eta/2$ of the Ito correction in place of a half. With noise that feels
    the state its limit is then not the Stratonovich solution.

    **Arguments:** `damping`: $\\eta$ in (0, 1] but 1/2, a leaf. The way back divides by
    $1 - 2\\eta$, and so does the round-off with every step.

    **Raises:** `ValueError` for a `damping` outside. A traced one cannot be checked.

    **Reference:** Mutze, arXiv 1311.6602; Zhuang, Dvornek, Tatikonda, Duncan, arXiv 2102.04668.
    """

    damping: Float[Array, ""]
    name: str = eqx.field(static=True, init=False, default="Asynchronous leapfrog")
    evaluations: int = eqx.field(static=True, init=False, default=1)
    shared: int = eqx.field(static=True, init=False, default=0)
    algebraic: bool = eqx.field(static=True, init=False, default=True)

    def __init__(self, damping: float = 1.0):
        self.damping = _number(damping)
        if not isinstance(damping, jax.core.Tracer):
            if not (0 < damping <= 1 and abs(1 - 2 * damping) > 1e-9):
                raise ValueError(
                    f"damping={damping}: allowed is every number above 0 and up to 1 but 1/2, "
                    "where the step cannot be undone."
                )

    @property
    def entrywise(self):
        return True

    def init(self, field, t, y):
        return Pair(y, field.coefficients(t, y))

    def begin(self, field, t, state):
        return ()

    def advance(self, field, t, state, begun, dx):
        middle = add_scaled(state.y, 0.5, field.contract(state.v, dx))
        u = field.coefficients(t + 0.5 * dx.dt, middle)
        v = add_scaled(state.v, 2 * self.damping, subtract(u, state.v))
        return Pair(add_scaled(middle, 0.5, field.contract(v, dx)), v)

    def retreat(self, field, t, state, begun, dx):
        middle = add_scaled(state.y, -0.5, field.contract(state.v, dx))
        u = field.coefficients(t + 0.5 * dx.dt, middle)
        v = add_scaled(u, 1 / (1 - 2 * self.damping), subtract(state.v, u))
        return Pair(add_scaled(middle, -0.5, field.contract(v, dx)), v)

    def value(self, state):
        return state.y


def _number(value):
    """A parameter as a leaf: one compiled program serves all its values."""
    return value if isinstance(value, jax.Array) else np.asarray(value, float)


COUPLED = {
    "ReversibleHeun": ReversibleHeun,
    "McCallumFoster": McCallumFoster,
    "McCallumFosterMidpoint": McCallumFosterMidpoint,
    "AsynchronousLeapfrog": AsynchronousLeapfrog,
}
