"""Explicit Runge-Kutta schemes for $dy = f \\cdot dX$, EES schemes among them.

The stages of the tableau with $h f$ replaced by $f \\cdot dX$, the simplified Runge-Kutta
methods of Redmann and Riedel: they converge to the Stratonovich solution (arXiv 2509.20599).
The step back is the same step with $-dX$.
"""

import equinox as eqx

from ees import tableau as tableaux
from ees._pytree import add, add_scaled, scale, subtract
from ees.schemes.base import AbstractScheme
from ees.tableau import Moves, Tableau, ees25, ees27, moves


class RungeKutta(AbstractScheme):
    """An explicit Runge-Kutta scheme from its tableau.

    A tableau runs as moves, where that leaves no more round-off than slopes added one by one: no
    slope is needed twice, and with a 2N form two states are kept. Others keep their slopes.

    - `tableau`: a `Tableau`.
    - `name`: a label for messages and legends.
    """

    tableau: Tableau
    _moves: Moves | None
    name: str = eqx.field(static=True)
    shared: int = eqx.field(static=True, init=False, default=1)
    algebraic: bool = eqx.field(static=True, init=False, default=False)

    def __init__(self, tableau: Tableau, name: str = "Runge-Kutta"):
        if not isinstance(tableau, Tableau):
            raise ValueError(f"tableau={tableau!r}: it must be an ees.Tableau(a, b).")
        self.tableau = tableau
        form = moves(tableau)
        self._moves = None if form is None or form.round_off > tableau.stages else form
        self.name = name

    @property
    def evaluations(self) -> int:
        return self.tableau.stages

    @property
    def entrywise(self):
        return True

    def init(self, field, t, y):
        return y

    def begin(self, field, t, state):
        return field.coefficients(t, state)

    def advance(self, field, t, state, begun, dx):
        if self._moves is None:
            return self._slopes_kept(field, t, state, begun, dx)
        return self._moved_on(field, t, state, begun, dx)

    def retreat(self, field, t, state, begun, dx):
        return self.advance(field, t + dx.dt, state, begun, -dx)

    def value(self, state):
        return state

    def _moved_on(self, field, t, y, begun, dx):
        form = self._moves
        states = [y, add_scaled(y, form.own[0], field.contract(begun, dx))]
        for weights, own, c in zip(form.earlier[1:], form.own[1:], form.c[1:]):
            y = states[-1]
            move = scale(own, field(t + scale(c, dx.dt), y, dx))
            lasts = states[-len(weights) - 1 :]
            for weight, before, after in zip(weights, lasts, lasts[1:]):
                move = add_scaled(move, weight, subtract(after, before))
            states.append(add(y, move))
        return states[-1]

    def _slopes_kept(self, field, t, y, begun, dx):
        a, b, c = self.tableau.a, self.tableau.b, self.tableau.c
        slopes = [field.contract(begun, dx)]
        for stage in range(1, self.tableau.stages):
            at = y
            for earlier in range(stage):
                at = add_scaled(at, a[stage, earlier], slopes[earlier])
            slopes.append(field(t + scale(c[stage], dx.dt), at, dx))
        for weight, slope in zip(b, slopes):
            y = add_scaled(y, weight, slope)
        return y


def EES25(x: float = 1 / 10) -> RungeKutta:
    """EES(2,5;x): three evaluations, undone by its reverse step to order 5.

    **Arguments:** `x`: see `ees.tableau.ees25`. **Raises:** `ValueError` for a singular `x`.

    **Reference:** arXiv 2509.20599.
    """
    return RungeKutta(ees25(x), "EES(2,5)")


def EES27(x: float | None = None, branch: int = +1) -> RungeKutta:
    """EES(2,7;x): four evaluations, undone by its reverse step to order 7.

    **Arguments:** see `ees.tableau.ees27`. **Raises:** `ValueError` for a singular `x` or a
    `branch` other than +1 and -1.

    **Reference:** arXiv 2507.21006, 2509.20599.
    """
    return RungeKutta(ees27(x, branch), "EES(2,7)")


def Euler() -> RungeKutta:
    """Euler's method; for an SDE in the Stratonovich sense it converges for additive noise only.

    With noise that feels the state its limit is the Ito solution. **Reference:** Maruyama (1955).
    """
    return RungeKutta(tableaux.EULER, "Euler")


def Heun() -> RungeKutta:
    """Heun's method of order 2, the trapezoidal rule with an Euler predictor. Heun (1900)."""
    return RungeKutta(tableaux.HEUN, "Heun")


def Midpoint() -> RungeKutta:
    """The explicit midpoint rule of order 2. Runge (1895)."""
    return RungeKutta(tableaux.MIDPOINT, "Midpoint")


def Ralston() -> RungeKutta:
    """Ralston's method of order 2, of the least error bound with two stages. Ralston (1962)."""
    return RungeKutta(tableaux.RALSTON, "Ralston")


def Kutta3() -> RungeKutta:
    """Kutta's method of order 3, the scheme called RK3. Kutta (1901)."""
    return RungeKutta(tableaux.KUTTA3, "Kutta's RK3")


def Heun3() -> RungeKutta:
    """Heun's method of order 3. Heun (1900)."""
    return RungeKutta(tableaux.HEUN3, "Heun's RK3")


def Ralston4() -> RungeKutta:
    """Ralston's method of order 4, of the least error bound with four stages. Ralston (1962)."""
    return RungeKutta(tableaux.RALSTON4, "Ralston's RK4")


def RK4() -> RungeKutta:
    """The classical method of order 4, whose antisymmetric order is 5. Kutta (1901)."""
    return RungeKutta(tableaux.RK4, "RK4")


RUNGE_KUTTA = {
    "EES25": EES25,
    "EES27": EES27,
    "Euler": Euler,
    "Heun": Heun,
    "Midpoint": Midpoint,
    "Ralston": Ralston,
    "Kutta3": Kutta3,
    "Heun3": Heun3,
    "RK4": RK4,
    "Ralston4": Ralston4,
}
