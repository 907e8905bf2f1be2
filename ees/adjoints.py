"""How a solve is differentiated, and what it has to remember for that.

Every adjoint here returns the gradient of the discrete solution (discretise-then-optimise):
step by step from the end, it linearises the scheme's own step at the state where that step
began. They differ in where that state comes from: a tape, a buffer of all states, a buffer of
some of them, or the scheme's step back. No adjoint knows the scheme, no scheme the adjoint.
"""

import abc
import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jaxtyping import Array, Bool, Int, PyTree

from ees._pytree import add, all_finite, select
from ees.drivers import AbstractDriver
from ees.fields import AbstractField
from ees.schemes import AbstractScheme


NEVER = jnp.iinfo(jnp.int32).max


class Marks(eqx.Module):
    """The step counts after which a solve saves its value.

    - `index`: `(saved,)`, non-decreasing from 0 or more up to the number of steps.
    - `every`: whether these are all of 0, 1, ..., steps.
    """

    index: Int[Array, " saved"]
    every: bool = eqx.field(static=True, default=False)


class AbstractAdjoint(eqx.Module):
    """A way to differentiate a solve.

    - `bounded`: whether differentiating needs to know the largest number of steps when the
      program is compiled.
    """

    bounded: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def integrate(
        self,
        scheme: AbstractScheme,
        field: AbstractField,
        driver: AbstractDriver,
        y0: PyTree[Array],
        marks: Marks,
        capacity: int | None,
    ) -> tuple[PyTree[Array], PyTree[Array], Int[Array, ""]]:
        """Runs the scheme over the driver.

        **Arguments:** `marks`: where to save; `capacity`: the number of steps where it is known
        at compile time, else `None`.

        **Returns:** the saved values, each leaf with a leading axis `(saved,)`; the scheme's
        state at the end; the first step whose value is not finite, or `NEVER`.
        """


class FullBackprop(AbstractAdjoint):
    """Reverse-mode differentiation through the loop: exact, and every stage stays in memory.

    - `max_steps`: the length of the tape where the number of steps is traced.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        length = _bound(self, capacity)

        def step(carry, i):
            state, diverged = carry
            after = scheme.step(field, driver.time(i), state, driver.increment(i))
            if self.max_steps is not None:
                after = select(i < driver.steps, after, state)
            return (after, _watch(scheme, after, diverged, i)), scheme.value(after)

        start = scheme.init(field, driver.time(0), y0)
        carry, values = jax.lax.scan(step, (start, _watch(scheme, start)), jnp.arange(length))
        values = jtu.tree_map(
            lambda first, rest: jnp.concatenate([first[None], rest])[marks.index],
            scheme.value(start),
            values,
        )
        return values, *carry


class _Stepwise(AbstractAdjoint):
    """Differentiates step by step, from states that `recover` supplies."""

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        return _integrate((scheme, field, driver, y0), self, marks, capacity)

    @abc.abstractmethod
    def allocate(self, state, capacity: int | None) -> tuple[PyTree, PyTree]:
        """Memory for the forward pass to fill, and memory for the backward pass to work in."""

    @abc.abstractmethod
    def store(self, kept, i, state, capacity: int | None):
        """The forward pass's memory, after it met the state before step `i`."""

    @abc.abstractmethod
    def recover(self, problem, kept, work, i, state, begun, dx):
        """The state before step `i` and the working memory, given the state after the step."""


class Reversible(_Stepwise):
    """Rebuilds the trajectory backwards with the scheme's own reverse step: O(1) memory.

    As exact as the reverse step: to round-off for algebraically reversible schemes; for a
    Runge-Kutta scheme the gradient's error is of the scheme's antisymmetric order in the step
    size. At large steps it fails without a sign: look at `ees.gradient_discrepancy`.

    **Reference:** arXiv 2509.20599, Algorithm 1.
    """

    bounded: bool = eqx.field(static=True, init=False, default=False)

    def allocate(self, state, capacity):
        return (), ()

    def store(self, kept, i, state, capacity):
        return kept

    def recover(self, problem, kept, work, i, state, begun, dx):
        scheme, field, driver = problem
        return scheme.retreat(field, driver.time(i), state, begun, dx), work


class StoredStates(_Stepwise):
    """Keeps the state of each step and no tape: exact, in O(steps) memory.

    - `max_steps`: the size of the buffer where the number of steps is traced.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def allocate(self, state, capacity):
        return _buffer(state, _bound(self, capacity)), ()

    def store(self, kept, i, state, capacity):
        return _put(kept, i, state)

    def recover(self, problem, kept, work, i, state, begun, dx):
        return _get(kept, i), work


class RecursiveCheckpoint(_Stepwise):
    """Keeps every k-th state and recomputes those between: exact, in O(sqrt(steps)) memory.

    With k the square root of the number of steps, two buffers of k states; every step is
    computed once more than with `StoredStates`.

    - `max_steps`: the largest number of steps where that number is traced.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def allocate(self, state, capacity):
        spacing = self._spacing(capacity)
        segments = -(-_bound(self, capacity) // spacing)
        return _buffer(state, segments), _buffer(state, spacing)

    def store(self, kept, i, state, capacity):
        segment, offset = jnp.divmod(i, self._spacing(capacity))
        return _put(kept, segment, select(offset == 0, state, _get(kept, segment)))

    def recover(self, problem, kept, work, i, state, begun, dx):
        scheme, field, driver = problem
        spacing = len(jtu.tree_leaves(work)[0])
        segment, offset = jnp.divmod(i, spacing)
        first = segment * spacing

        def replay(work):
            def step(j, carry):
                state, work = carry
                work = _put(work, j - first, state)
                return scheme.step(field, driver.time(j), state, driver.increment(j)), work

            last, work = jax.lax.fori_loop(first, i, step, (_get(kept, segment), work))
            return _put(work, offset, last)

        entering = (offset == spacing - 1) | (i == driver.steps - 1)
        work = jax.lax.cond(entering, replay, lambda work: work, work)
        return _get(work, offset), work

    def _spacing(self, capacity):
        return math.isqrt(_bound(self, capacity) - 1) + 1


@eqx.filter_custom_vjp
def _integrate(problem, adjoint, marks, capacity):
    values, state, diverged, _ = _forward(problem, marks, None, capacity)
    return values, state, diverged


@_integrate.def_fwd
def _integrate_forward(perturbed, problem, adjoint, marks, capacity):
    values, state, diverged, kept = _forward(problem, marks, adjoint, capacity)
    return (values, state, diverged), (state, kept)


@_integrate.def_bwd
def _integrate_backward(residuals, cotangents, perturbed, problem, adjoint, marks, capacity):
    state, kept = residuals
    values_ct, state_ct, _ = cotangents
    scheme, field, driver, y0 = problem
    wanted, held = eqx.partition(problem[:3], perturbed[:3])
    # Increments are drawn once a step and carried; only where the driver itself is
    # differentiated is the draw inside what is linearised.
    driver_wanted = bool(jtu.tree_leaves(wanted[2]))
    _, work = adjoint.allocate(state, capacity)
    starts, ends = _segments(marks)
    values_ct = _materialise(
        values_ct, jax.eval_shape(scheme.value, state), leading=(len(marks.index),)
    )

    def back(j, carry, end):
        state, begun, dx, work, state_ct, grads = carry
        i = end - 1 - j
        state, work = adjoint.recover(problem[:3], kept, work, i, state, begun, dx)

        def step(wanted, state):
            scheme, field, driver = eqx.combine(wanted, held)
            t = driver.time(i)
            begun = scheme.begin(field, t, state)
            increment = driver.increment(i) if driver_wanted else dx
            return scheme.advance(field, t, state, begun, increment), begun

        _, pull, begun = jax.vjp(step, wanted, state, has_aux=True)
        wanted_ct, state_ct = pull(state_ct)
        return state, begun, driver.increment(i - 1), work, state_ct, add(grads, wanted_ct)

    def segment(carry, at):
        start, end, value_ct = at
        state, begun, dx, work, state_ct, grads = carry
        _, pull = jax.vjp(scheme.value, state)
        carry = state, begun, dx, work, add(state_ct, *pull(value_ct)), grads
        carry = jax.lax.fori_loop(0, end - start, lambda j, c: back(j, c, end), carry)
        return carry, None

    steps = jnp.asarray(driver.steps)
    begun = scheme.begin(field, driver.time(steps), state)
    carry = (
        state,
        begun,
        driver.increment(steps - 1),
        work,
        _materialise(state_ct, state),
        jtu.tree_map(jnp.zeros_like, wanted),
    )
    carry, _ = _scan(segment, carry, (starts, ends, values_ct), reverse=True)
    *_, state_ct, grads = carry

    def start(wanted, y0):
        scheme, field, driver = eqx.combine(wanted, held)
        return scheme.init(field, driver.time(0), y0)

    y0_wanted, y0_held = eqx.partition(y0, perturbed[3])
    _, pull = jax.vjp(lambda w, y: start(w, eqx.combine(y, y0_held)), wanted, y0_wanted)
    wanted_ct, y0_ct = pull(state_ct)
    return (*add(grads, wanted_ct), y0_ct)


def _forward(problem, marks, adjoint, capacity):
    scheme, field, driver, y0 = problem
    state = scheme.init(field, driver.time(0), y0)
    kept = () if adjoint is None else adjoint.allocate(state, capacity)[0]

    def step(i, carry):
        state, dx, diverged, kept = carry
        if adjoint is not None:
            kept = adjoint.store(kept, i, state, capacity)
        # The next increment is drawn here and carried: drawn where it is used, XLA computes it
        # again in every consumer.
        upcoming = driver.increment(i + 1)
        state = scheme.step(field, driver.time(i), state, dx)
        return state, upcoming, _watch(scheme, state, diverged, i), kept

    def segment(carry, at):
        start, end = at
        carry = jax.lax.fori_loop(start, end, step, carry)
        return carry, scheme.value(carry[0])

    def one_step(carry, i):
        carry = step(i, carry)
        return carry, scheme.value(carry[0])

    carry = (state, driver.increment(0), _watch(scheme, state), kept)
    if marks.every:
        carry, rest = jax.lax.scan(one_step, carry, marks.index[:-1])
        values = jtu.tree_map(
            lambda first, later: jnp.concatenate([first[None], later]), scheme.value(state), rest
        )
    else:
        carry, values = _scan(segment, carry, _segments(marks))
    state, _, diverged, kept = carry
    return values, state, diverged, kept


def _scan(body, carry, xs, reverse=False):
    """`lax.scan`, without a loop around a single turn: XLA copies the carry of each loop."""
    if len(jtu.tree_leaves(xs)[0]) > 1:
        return jax.lax.scan(body, carry, xs, reverse=reverse)
    carry, ys = body(carry, jtu.tree_map(lambda x: x[0], xs))
    return carry, jtu.tree_map(lambda y: y[None], ys)


def _segments(marks):
    """The first and last step counts of the stretches that end at the marks."""
    return jnp.concatenate([jnp.zeros(1, marks.index.dtype), marks.index[:-1]]), marks.index


def _watch(scheme, state, diverged=NEVER, i=-1) -> Int[Array, ""]:
    """The first step count at which the value was not finite."""
    here: Bool[Array, ""] = all_finite(scheme.value(state))
    return jnp.where(here, diverged, jnp.minimum(diverged, i + 1)).astype(jnp.int32)


def _bound(adjoint, capacity) -> int:
    bound = adjoint.max_steps if adjoint.max_steps is not None else capacity
    if bound is None:
        name = type(adjoint).__name__
        raise ValueError(
            f"adjoint={name}(): the number of steps is traced, and {name} must know its largest "
            f"value to make room: give {name}(max_steps=...), or take ees.Reversible()."
        )
    return bound


def _buffer(tree, length):
    return jtu.tree_map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), tree)


def _put(buffer, i, tree):
    put = jax.lax.dynamic_update_index_in_dim
    return jtu.tree_map(lambda rows, leaf: put(rows, leaf, i, 0), buffer, tree)


def _get(buffer, i):
    get = jax.lax.dynamic_index_in_dim
    return jtu.tree_map(lambda rows: get(rows, i, keepdims=False), buffer)


def _materialise(cotangent, like, leading=()):
    """Cotangents that JAX left out as zero, written out as zeros."""

    def fill(leaf, ct):
        return jnp.zeros((*leading, *leaf.shape), leaf.dtype) if ct is None else ct

    return jtu.tree_map(fill, like, cotangent, is_leaf=lambda x: x is None)
