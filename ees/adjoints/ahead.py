"""Loops over the steps of a driver, whose increments are drawn before they are used.

An increment that is drawn where it is used is drawn again in every consumer: XLA fuses the chain
of operations into each. Carried from one step to the next it is drawn once. For small systems
even that chain, run for a handful of numbers, is longer than a step, and several steps are drawn
at once, side by side in the vector unit.
"""

import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, PyTree

from ees.drivers import AbstractDriver


def stock(driver: AbstractDriver, i) -> PyTree[Array]:
    """What `forwards` or `backwards` needs to have drawn when it begins with step `i`."""
    if driver.together == 1:
        return driver.draw(i)
    number = _whole(i, driver)
    steps = number * driver.together + jnp.arange(driver.together, dtype=jnp.int32)
    return driver.draw(steps)


def forwards(driver: AbstractDriver, start, end, drawn, carry, step):
    """Runs `carry = step(i, dx, carry)` for the steps from `start` up to `end`, without it.

    **Returns:** what is drawn for step `end`, and the carry.
    """
    if driver.together == 1:

        def single(i, carry):
            drawn, carry = carry
            return driver.draw(i + 1), step(i, driver.drawn(drawn), carry)

        return jax.lax.fori_loop(start, end, single, (drawn, carry))

    def turn(carry):
        i, drawn, carry = carry
        last = jnp.minimum(end, (_whole(i, driver) + 1) * driver.together)
        carry = jax.lax.fori_loop(i, last, _stocked(driver, drawn, step), carry)
        drawn = _restock(driver, _offset(last, driver) == 0, last, drawn)
        return last, drawn, carry

    return jax.lax.while_loop(lambda c: c[0] < end, turn, (start, drawn, carry))[1:]


def backwards(driver: AbstractDriver, start, end, drawn, carry, step):
    """Runs `carry = step(i, dx, carry)` for the steps from `end`, without it, down to `start`.

    **Returns:** what is drawn for step `start - 1`, and the carry.
    """
    if driver.together == 1:

        def single(j, carry):
            drawn, carry = carry
            i = end - 1 - j
            return driver.draw(i - 1), step(i, driver.drawn(drawn), carry)

        return jax.lax.fori_loop(0, end - start, single, (drawn, carry))

    def turn(carry):
        last, drawn, carry = carry
        first = jnp.maximum(start, _whole(last - 1, driver) * driver.together)
        forward = _stocked(driver, drawn, step)
        carry = jax.lax.fori_loop(0, last - first, lambda j, c: forward(last - 1 - j, c), carry)
        drawn = _restock(driver, _offset(first, driver) == 0, first - 1, drawn)
        return first, drawn, carry

    return jax.lax.while_loop(lambda c: c[0] > start, turn, (end, drawn, carry))[1:]


def _stocked(driver, drawn, step):
    """The step, with its increment taken from a stock of several."""

    def body(i, carry):
        offset = _offset(i, driver)
        take = jax.lax.dynamic_index_in_dim
        draw = jtu.tree_map(lambda leaf: take(leaf, offset, axis=1, keepdims=False), drawn)
        return step(i, driver.drawn(draw), carry)

    return body


def _restock(driver, empty, i, drawn):
    return jax.lax.cond(empty, lambda: stock(driver, i), lambda: drawn)


# Without the sign that `//` and `%` take care of: no step before the first is used.
def _whole(i, driver):
    return jax.lax.div(jnp.asarray(i, jnp.int32), np.int32(driver.together))


def _offset(i, driver):
    return jax.lax.rem(jnp.asarray(i, jnp.int32), np.int32(driver.together))
