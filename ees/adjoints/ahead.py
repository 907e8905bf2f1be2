"""Loops over the steps of a driver, whose increments are drawn before they are used.

An increment that is drawn where it is used is drawn again in every consumer: XLA fuses the chain
of operations into each. Carried from one step to the next it is drawn once. What many numbers
of a draw have in common, the key of their step, is its seed, and carried one step longer. For small
systems even a draw of a handful of numbers is longer than a step, and several steps are drawn at
once, side by side in the vector unit.
"""

import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, PyTree

from ees.drivers import AbstractDriver


def stock(driver: AbstractDriver, i, onward: int = 1) -> PyTree[Array]:
    """What `forwards` needs to have drawn when it begins with step `i`; `backwards`: onward -1."""
    number = _whole(i, driver)
    now, following = _steps(driver, number), _steps(driver, number + onward)
    return driver.seed(following), driver.draw(now, driver.seed(now))


def forwards(driver: AbstractDriver, start, end, ahead, carry, step):
    """Runs `carry = step(i, dx, carry)` for the steps from `start` up to `end`, without it.

    **Returns:** what is drawn for step `end`, and the carry.
    """
    if driver.together == 1:

        def single(i, carry):
            ahead, carry = carry
            return _next(driver, ahead, i, 1), step(i, driver.drawn(ahead[1]), carry)

        return jax.lax.fori_loop(start, end, single, (ahead, carry))

    def turn(carry):
        i, ahead, carry = carry
        number = _whole(i, driver)
        last = jnp.minimum(end, (number + 1) * driver.together)
        carry = jax.lax.fori_loop(i, last, _stocked(driver, ahead[1], step), carry)
        ahead = _restock(driver, _offset(last, driver) == 0, ahead, number, 1)
        return last, ahead, carry

    return jax.lax.while_loop(lambda c: c[0] < end, turn, (start, ahead, carry))[1:]


def backwards(driver: AbstractDriver, start, end, ahead, carry, step):
    """Runs `carry = step(i, dx, carry)` for the steps from `end`, without it, down to `start`.

    **Returns:** what is drawn for step `start - 1`, and the carry.
    """
    if driver.together == 1:

        def single(j, carry):
            ahead, carry = carry
            i = end - 1 - j
            return _next(driver, ahead, i, -1), step(i, driver.drawn(ahead[1]), carry)

        return jax.lax.fori_loop(0, end - start, single, (ahead, carry))

    def turn(carry):
        last, ahead, carry = carry
        number = _whole(last - 1, driver)
        first = jnp.maximum(start, number * driver.together)
        forward = _stocked(driver, ahead[1], step)
        carry = jax.lax.fori_loop(0, last - first, lambda j, c: forward(last - 1 - j, c), carry)
        ahead = _restock(driver, _offset(first, driver) == 0, ahead, number, -1)
        return first, ahead, carry

    return jax.lax.while_loop(lambda c: c[0] > start, turn, (end, ahead, carry))[1:]


def _steps(driver, number):
    """A step, or the steps that are drawn together, by their number."""
    if driver.together == 1:
        return number
    return number * driver.together + jnp.arange(driver.together, dtype=jnp.int32)


def _next(driver, ahead, number, onward):
    """What is ahead one turn later: the seed at hand turned into a draw, and another seed."""
    following = driver.seed(_steps(driver, number + 2 * onward))
    return following, driver.draw(_steps(driver, number + onward), ahead[0])


def _stocked(driver, drawn, step):
    """The step, with its increment taken from a stock of several."""

    def body(i, carry):
        offset = _offset(i, driver)
        take = jax.lax.dynamic_index_in_dim
        draw = jtu.tree_map(lambda leaf: take(leaf, offset, axis=1, keepdims=False), drawn)
        return step(i, driver.drawn(draw), carry)

    return body


def _restock(driver, empty, ahead, number, onward):
    return jax.lax.cond(empty, lambda: _next(driver, ahead, number, onward), lambda: ahead)


# Without the sign that `//` and `%` take care of: no step before the first is used.
def _whole(i, driver):
    return jax.lax.div(jnp.asarray(i, jnp.int32), np.int32(driver.together))


def _offset(i, driver):
    return jax.lax.rem(jnp.asarray(i, jnp.int32), np.int32(driver.together))
