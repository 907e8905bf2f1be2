"""The contract of an adjoint, and the forward pass that adjoints share."""

import abc

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jaxtyping import Array, Bool, Int, PyTree

from ees.adjoints.ahead import forwards, stock
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

    @property
    def stretches(self) -> tuple[Int[Array, " saved"], Int[Array, " saved"]]:
        """The first and last step counts of the stretches that end at the marks."""
        zero = jnp.zeros(1, self.index.dtype)
        return jnp.concatenate([zero, self.index[:-1]]), self.index


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

    def ready(self, field, scheme, driver, y0) -> "AbstractAdjoint":
        """This adjoint with nothing left to choose, for a solve from `y0` along `driver`.

        **Raises:** `ValueError` if it has to look at values that are traced.
        """
        return self


def march(problem, marks, kept=None, keep=None):
    """The forward pass: the same for every adjoint that has a backward pass of its own.

    **Arguments:** `problem`: scheme, field, driver, `y0`; `kept`: memory to fill; `keep(kept, i,
    state)`: the memory after it met the state before step `i`.

    **Returns:** the values at the marks, the state at the end, the first step whose value is not
    finite, the memory.
    """
    scheme, field, driver, y0 = problem
    state = scheme.init(field, driver.time(0), y0)
    rows = None
    if marks.every:
        rows = jtu.tree_map(lambda leaf: _rows(leaf, len(marks.index)), scheme.value(state))

    def step(i, dx, carry):
        state, diverged, kept, rows = carry
        if keep is not None:
            kept = keep(kept, i, state)
        state = scheme.step(field, driver.time(i), state, dx)
        if marks.every:
            write = jax.lax.dynamic_update_index_in_dim
            rows = jtu.tree_map(lambda r, v: write(r, v, i + 1, 0), rows, scheme.value(state))
        return state, watch(scheme, field, state, diverged, i), kept, rows

    def stretch(carry, at):
        drawn, carry = forwards(driver, *at, *carry, step)
        return (drawn, carry), None if marks.every else scheme.value(carry[0])

    zero = jnp.zeros((), jnp.int32)
    carry = stock(driver, zero), (state, watch(scheme, field, state), kept, rows)
    if marks.every:
        carry, _ = stretch(carry, (zero, marks.index[-1]))
        values = carry[1][3]
    else:
        carry, values = scan(stretch, carry, marks.stretches)
    state, diverged, kept, _ = carry[1]
    return values, state, diverged, kept


def _rows(first, length):
    """Room for so many values, the first of which is known."""
    return jnp.zeros((length, *first.shape), first.dtype).at[0].set(first)


def watch(scheme, field, state, diverged=NEVER, i=-1) -> Int[Array, "..."]:
    """The first step count at which the value was not finite."""
    here: Bool[Array, "..."] = field.finite(scheme.value(state))
    return jnp.where(here, diverged, jnp.minimum(diverged, i + 1)).astype(jnp.int32)


def scan(body, carry, xs, reverse=False):
    """`lax.scan`, without a loop around a single turn: XLA copies the carry of each loop."""
    if len(jtu.tree_leaves(xs)[0]) > 1:
        return jax.lax.scan(body, carry, xs, reverse=reverse)
    carry, ys = body(carry, jtu.tree_map(lambda x: x[0], xs))
    return carry, jtu.tree_map(lambda y: y[None], ys)


def bound(adjoint, capacity) -> int:
    """The largest number of steps that an adjoint must make room for."""
    name, room = type(adjoint).__name__, adjoint.max_steps
    if room is None and capacity is None:
        raise ValueError(
            f"adjoint={name}(): the number of steps is traced, and {name} must know its largest "
            f"value to make room: give {name}(max_steps=...), or take ees.Reversible()."
        )
    if room is not None and capacity is not None and capacity > room:
        raise ValueError(
            f"max_steps={room}: {name} has to make room for {capacity} steps; max_steps must be "
            f"at least that."
        )
    return capacity if room is None else room


def materialise(cotangent, like, leading=()):
    """Cotangents that JAX left out as zero, written out as zeros."""

    def fill(leaf, ct):
        return jnp.zeros((*leading, *leaf.shape), leaf.dtype) if ct is None else ct

    return jtu.tree_map(fill, like, cotangent, is_leaf=lambda x: x is None)
