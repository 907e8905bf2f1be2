"""Discretise-then-optimise, one step at a time: the backward pass of every adjoint without a tape.

From the end, it linearises the scheme's own step at the state where that step began. Where that
state comes from is the adjoint's affair; nothing here or there depends on the scheme.
"""

import abc
import functools

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jaxtyping import Array, Float, PyTree

from ees._pytree import add, distance, select
from ees.adjoints.ahead import backwards, stock
from ees.adjoints.base import AbstractAdjoint, bound, march, materialise, scan
from ees.adjoints.lanes import in_lanes


class Checkpoints(eqx.Module):
    """The states before steps 0, k, 2k, ... of a solve.

    - `rows`: the states, each leaf with a leading axis; `spacing`: k.
    """

    rows: PyTree[Array]
    spacing: int = eqx.field(static=True)

    @classmethod
    def of(cls, state, spacing: int, steps: int) -> "Checkpoints":
        """Empty ones, for that many steps."""
        length = -(-steps // spacing)
        rows = jtu.tree_map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), state)
        return cls(rows, spacing)

    def put(self, i, state) -> "Checkpoints":
        """These, after they met the state before step `i`."""
        if self.spacing > 1:
            state = select(i % self.spacing == 0, state, self.get(i))
        write = jax.lax.dynamic_update_index_in_dim
        rows = jtu.tree_map(
            lambda rows, leaf: write(rows, leaf, i // self.spacing, 0), self.rows, state
        )
        return Checkpoints(rows, self.spacing)

    def get(self, i):
        """The last state kept at or before step `i`."""
        read = jax.lax.dynamic_index_in_dim
        return jtu.tree_map(lambda rows: read(rows, i // self.spacing, keepdims=False), self.rows)

    def holds(self, steps):
        """Whether there is room for so many steps."""
        return steps <= self.spacing * len(jtu.tree_leaves(self.rows)[0])


class Stepwise(AbstractAdjoint):
    """Differentiates step by step, from states that `recover` supplies."""

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        return _integrate((scheme, field, driver, y0, self), marks, capacity)

    @abc.abstractmethod
    def spacing(self, capacity: int | None) -> int | None:
        """Every how many steps the forward pass keeps a state, `None` for never."""

    @abc.abstractmethod
    def workspace(self, state, capacity: int | None, watched: bool) -> PyTree[Array]:
        """Memory for the backward pass.

        Where the adjoint is `watched`, differentiated with respect to its own arrays: a scalar,
        the largest defect so far. What it has become at the end is that derivative.
        """

    def down(self, problem, kept, start, end, drawn, carry, back):
        """`backwards` from step `end` to `start` with `back`, whose carry has the memory third."""
        return backwards(problem[2], start, end, drawn, carry, back)

    @abc.abstractmethod
    def recover(self, problem, kept: Checkpoints | None, work, i, state, begun, dx):
        """The state before step `i` and the working memory, given the state after the step."""


def missed(scheme, found, truth) -> Float[Array, ""]:
    """The defect of a reconstruction; infinite where it is not a number, never NaN."""
    gap = distance(scheme.value(found), scheme.value(truth))
    return jnp.where(jnp.isnan(gap), jnp.inf, gap)


@eqx.filter_custom_vjp
def _integrate(problem, marks, capacity):
    values, state, diverged, _ = _forward(problem[:4], marks, None, None)
    return values, state, diverged


@_integrate.def_fwd
def _integrate_forward(perturbed, problem, marks, capacity):
    adjoint = problem[4]
    spacing = adjoint.spacing(capacity)
    room = None if spacing is None else bound(adjoint, capacity)
    values, state, diverged, kept = _forward(problem[:4], marks, spacing, room)
    return (values, state, diverged), (state, kept)


@_integrate.def_bwd
def _integrate_backward(residuals, cotangents, perturbed, problem, marks, capacity):
    state, kept = residuals
    values_ct, state_ct, _ = cotangents
    scheme, adjoint = problem[0], problem[4]
    watched = eqx.filter(adjoint, perturbed[4])
    like = jax.eval_shape(scheme.value, state)
    values_ct = materialise(values_ct, like, leading=(len(marks.index),))
    rest = state, kept, values_ct, materialise(state_ct, state), watched
    shared = marks, adjoint, capacity
    return _backward(problem[:4], perturbed[:4], shared, rest)


def _forward(problem, marks, spacing, room):
    def loop(problem, asked, marks, rest):
        if spacing is None:
            return None, march(problem, marks)
        scheme, field, driver, y0 = problem
        start = jax.eval_shape(lambda: scheme.init(field, driver.time(0), y0))
        kept = Checkpoints.of(start, spacing, room)
        return None, march(problem, marks, kept, Checkpoints.put)

    return in_lanes(loop, problem, None, marks, ())[1]


def _backward(problem, perturbed, shared, rest):
    if jtu.tree_leaves(rest[-1]):
        # A defect is that of one path, whatever else is computed beside it.
        found, told = _back(problem, perturbed, shared, rest)
    else:
        found, told = in_lanes(_back, problem, perturbed, shared, rest)
    return *found, told


def _back(problem, perturbed, shared, rest):
    """The gradient of the problem; and in place of what is watched, the defect."""
    scheme, field, driver, y0 = problem
    marks, adjoint, capacity = shared
    state, kept, values_ct, state_ct, watched = rest
    wanted, held = eqx.partition(problem[:3], perturbed[:3])
    # Increments are drawn ahead; only where the driver itself is differentiated is the draw
    # inside what is linearised.
    driver_wanted = bool(jtu.tree_leaves(wanted[2]))
    work = adjoint.workspace(state, capacity, bool(jtu.tree_leaves(watched)))
    down = functools.partial(adjoint.down, problem[:3], kept)

    def back(i, dx, carry):
        state, begun, work, state_ct, grads = carry
        state, work = adjoint.recover(problem[:3], kept, work, i, state, begun, dx)

        def step(wanted, state):
            scheme, field, driver = eqx.combine(wanted, held)
            t = driver.time(i)
            begun = scheme.begin(field, t, state)
            increment = driver.increment(i) if driver_wanted else dx
            return scheme.advance(field, t, state, begun, increment), begun

        _, pull, begun = jax.vjp(step, wanted, state, has_aux=True)
        wanted_ct, state_ct = pull(state_ct)
        carry = state, begun, work, state_ct, add(grads, wanted_ct)
        return meet(jtu.tree_map(lambda leaf: leaf[i], values_ct), carry) if marks.every else carry

    def meet(value_ct, carry):
        """The cotangent after it met that of a saved value."""
        state, begun, work, state_ct, grads = carry
        _, pull = jax.vjp(scheme.value, state)
        return state, begun, work, add(state_ct, *pull(value_ct)), grads

    def stretch(carry, at):
        start, end, value_ct = at
        drawn, carry = carry
        return down(start, end, drawn, meet(value_ct, carry), back), None

    steps = jnp.asarray(driver.steps)
    begun = scheme.begin(field, driver.time(steps), state)
    grads = jtu.tree_map(jnp.zeros_like, wanted)
    carry = stock(driver, steps - 1, -1), (state, begun, work, state_ct, grads)
    if marks.every:
        drawn, carry = carry
        carry = meet(jtu.tree_map(lambda leaf: leaf[-1], values_ct), carry)
        _, carry = down(0, len(marks.index) - 1, drawn, carry, back)
    else:
        (_, carry), _ = scan(stretch, carry, (*marks.stretches, values_ct), reverse=True)
    state, _, work, state_ct, grads = carry

    def start(wanted, y0):
        scheme, field, driver = eqx.combine(wanted, held)
        return scheme.init(field, driver.time(0), y0)

    y0_wanted, y0_held = eqx.partition(y0, perturbed[3])
    _, pull = jax.vjp(lambda w, y: start(w, eqx.combine(y, y0_held)), wanted, y0_wanted)
    wanted_ct, y0_ct = pull(state_ct)
    found = (*add(grads, wanted_ct), y0_ct)
    if kept is not None:
        found = jtu.tree_map(lambda ct: jnp.where(kept.holds(steps), ct, jnp.nan), found)

    def told(leaf):
        defect = jnp.maximum(work, missed(scheme, state, start(wanted, y0)))
        return jnp.broadcast_to(defect, leaf.shape).astype(leaf.dtype)

    return found, jtu.tree_map(told, watched)
