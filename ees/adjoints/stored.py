"""Adjoints that read the trajectory from memory: exact, at the price of what they store."""

import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu

from ees.adjoints.ahead import forwards, stock
from ees.adjoints.base import AbstractAdjoint, bound, watch
from ees.adjoints.stepwise import Checkpoints, Stepwise


class FullBackprop(AbstractAdjoint):
    """Reverse-mode differentiation through the loop: exact, and every stage stays in memory.

    - `max_steps`: the length of the tape where the number of steps is traced. More steps than
      that make every value NaN.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        length = bound(self, capacity)

        def step(carry, i):
            state, diverged = carry

            def advance(state):
                return scheme.step(field, driver.time(i), state, driver.increment(i))

            if self.max_steps is None:
                after = advance(state)
            else:
                # Not a `where`: a step off the end of the driver may have no finite gradient.
                after = jax.lax.cond(i < driver.steps, advance, lambda state: state, state)
            return (after, watch(scheme, field, after, diverged, i)), scheme.value(after)

        start = scheme.init(field, driver.time(0), y0)
        if self.max_steps is not None:
            start = jtu.tree_map(
                lambda leaf: jnp.where(driver.steps <= length, leaf, jnp.nan), start
            )
        carry, values = jax.lax.scan(step, (start, watch(scheme, field, start)), jnp.arange(length))
        values = jtu.tree_map(
            lambda first, rest: jnp.concatenate([first[None], rest])[marks.index],
            scheme.value(start),
            values,
        )
        return values, *carry


class StoredStates(Stepwise):
    """Keeps the state of each step and no tape: exact, in O(steps) memory.

    - `max_steps`: the size of the buffer where the number of steps is traced. More steps than
      that make every gradient NaN.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def spacing(self, capacity):
        return 1

    def workspace(self, state, capacity, watched):
        return ()

    def recover(self, problem, kept, work, i, state, begun, dx):
        return kept.get(i), work


class RecursiveCheckpoint(Stepwise):
    """Keeps every k-th state and recomputes those between: exact, in O(sqrt(steps)) memory.

    With k the square root of the number of steps, two buffers of k states; every step is
    computed once more than with `StoredStates`.

    - `max_steps`: the largest number of steps where that number is traced. More steps than that
      make every gradient NaN.
    """

    max_steps: int | None = eqx.field(static=True, default=None)
    bounded: bool = eqx.field(static=True, init=False, default=True)

    def spacing(self, capacity):
        return math.isqrt(bound(self, capacity) - 1) + 1

    def workspace(self, state, capacity, watched):
        return Checkpoints.of(state, 1, self.spacing(capacity))

    def recover(self, problem, kept, work, i, state, begun, dx):
        scheme, field, driver = problem
        offset = i % kept.spacing
        first = i - offset

        def replay(work):
            def step(j, dx, carry):
                state, work = carry
                work = work.put(j - first, state)
                return scheme.step(field, driver.time(j), state, dx), work

            ahead = stock(driver, first)
            _, (last, work) = forwards(driver, first, i, ahead, (kept.get(i), work), step)
            return work.put(offset, last)

        entering = (offset == kept.spacing - 1) | (i == driver.steps - 1)
        work = jax.lax.cond(entering, replay, lambda work: work, work)
        return work.get(offset), work
