"""Adjoints that read the trajectory from memory: exact, at the price of what they store."""

import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu

from ees.adjoints.ahead import backwards, forwards, stock
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
        return jnp.asarray(-1, jnp.int32), Checkpoints.of(state, 1, self.spacing(capacity))

    def down(self, problem, kept, start, end, drawn, carry, back):
        scheme, field, driver = problem
        spacing = kept.spacing

        def segment(carry):
            last, drawn, (state, begun, work, *rest) = carry
            number = (last - 1) // spacing
            work = replay(number, last, work)
            first = jnp.maximum(start, number * spacing)
            carry = backwards(driver, first, last, drawn, (state, begun, work, *rest), back)
            return first, *carry

        def replay(number, last, work):
            """The states before the steps of a segment up to its last one that is wanted."""

            def step(j, dx, carry):
                state, rows = carry
                state = scheme.step(field, driver.time(j), state, dx)
                return state, rows.put(j + 1 - first, state)

            held, rows = work
            first = number * spacing
            # A segment that a saved time divides is met again: then its states are there.
            end = jnp.where(held == number, first, last - 1)
            state = kept.get(first)
            carry = state, rows.put(0, state)
            return number, forwards(driver, first, end, stock(driver, first), carry, step)[1][1]

        end = jnp.asarray(end, jnp.int32)
        return jax.lax.while_loop(lambda c: c[0] > start, segment, (end, drawn, carry))[1:]

    def recover(self, problem, kept, work, i, state, begun, dx):
        return work[1].get(i - work[0] * kept.spacing), work
