"""The contract of a scheme, and its law."""

import abc

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree

from ees.drivers import Increment
from ees.fields import AbstractField


State = PyTree[Array]


class AbstractScheme(eqx.Module):
    """A one-step method: an increment in, a state out, and the way back.

    The law: `reverse_step(step(state))` gives `state` back, to round-off for schemes that are
    reversible by algebra, and up to the antisymmetric order for Runge-Kutta schemes.

    Both directions begin with the same evaluations at a known state, which is why `begin` is
    apart: an adjoint that walks backwards meets each state twice, once as the end of a step to
    undo and once as the start of a step to differentiate, and evaluates it once.

    - `name`: as the literature writes it.
    - `evaluations`: field evaluations a step, in either direction; the most that one may make
      where a step solves an equation. Derivatives of the field are not counted.
    - `shared`: how many of those `begin` makes.
    - `algebraic`: whether the way back is exact in exact arithmetic, at every step size.
    - `entrywise`: whether, but for the field, it treats every entry of the state by itself. Many
      paths may then be computed as one state.
    """

    name: eqx.AbstractVar[str]
    evaluations: eqx.AbstractVar[int]
    shared: eqx.AbstractVar[int]
    algebraic: eqx.AbstractVar[bool]

    @property
    def entrywise(self) -> bool:
        return False

    @abc.abstractmethod
    def init(self, field: AbstractField, t: Float[Array, ""], y: PyTree[Array]) -> State:
        """The scheme's state at the start, from the solution there."""

    def restart(self, field: AbstractField, t, y: PyTree[Array]) -> State:
        """A state afresh in the middle of a solve, from the solution there."""
        return self.init(field, t, y)

    @abc.abstractmethod
    def begin(self, field: AbstractField, t: Float[Array, ""], state: State) -> PyTree[Array]:
        """What a step away from `state` evaluates first, in either direction; may be `()`."""

    @abc.abstractmethod
    def advance(self, field, t, state: State, begun: PyTree[Array], dx: Increment) -> State:
        """The state at `t + dx.dt`, from the state at `t` and what was begun there."""

    @abc.abstractmethod
    def retreat(self, field, t, state: State, begun: PyTree[Array], dx: Increment) -> State:
        """The state at `t`, from the state at `t + dx.dt` and what was begun there."""

    @abc.abstractmethod
    def value(self, state: State) -> PyTree[Array]:
        """The solution that a state stands for."""

    def spent(self, start: State, end: State, steps: int | Int[Array, ""]) -> Int[Array, ""]:
        """The field evaluations of so many steps from one state to another, in one direction."""
        return self.evaluations * steps

    @property
    def backward_evaluations(self) -> int:
        """Field evaluations a step of a backward pass that rebuilds the states.

        A step back, and the step to linearise; what is evaluated at the state between two steps
        serves both. The passes of the linearisation itself are not counted.
        """
        return 2 * self.evaluations - self.shared

    def step(self, field: AbstractField, t, state: State, dx: Increment) -> State:
        """One step forwards: the state at `t + dx.dt` from the state at `t`."""
        return self.advance(field, t, state, self.begin(field, t, state), dx)

    def reverse_step(self, field: AbstractField, t, state: State, dx: Increment) -> State:
        """One step backwards: the state at `t` from the state at `t + dx.dt`."""
        return self.retreat(field, t, state, self.begin(field, t + dx.dt, state), dx)


class Undo(AbstractScheme):
    """A scheme's step back as a scheme of its own, to run along a driver that runs backwards.

    It starts from a state of the scheme, not from a value.
    """

    scheme: AbstractScheme

    @property
    def name(self):
        return f"{self.scheme.name}, reversed"

    @property
    def evaluations(self):
        return self.scheme.evaluations

    @property
    def shared(self):
        return self.scheme.shared

    @property
    def algebraic(self):
        return self.scheme.algebraic

    @property
    def entrywise(self):
        return self.scheme.entrywise

    def spent(self, start, end, steps):
        return self.scheme.spent(start, end, steps)

    def init(self, field, t, y):
        return y

    def restart(self, field, t, y):
        return self.scheme.restart(field, t, y)

    def begin(self, field, t, state):
        return self.scheme.begin(field, t, state)

    def advance(self, field, t, state, begun, dx):
        return self.scheme.retreat(field, t + dx.dt, state, begun, -dx)

    def retreat(self, field, t, state, begun, dx):
        return self.scheme.advance(field, t + dx.dt, state, begun, -dx)

    def value(self, state):
        return self.scheme.value(state)
