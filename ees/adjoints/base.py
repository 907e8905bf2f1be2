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


class Rows(eqx.Module):
    """The values at the marks, as they are met.

    Where the last axis of a value counts paths, it is the first one here: whoever mapped over
    paths wants it there, and XLA takes ten times as long to turn a large array as to fill it so.
    """

    rows: PyTree[Array]
    lanes: bool = eqx.field(static=True)

    @classmethod
    def of(cls, value, length: int, lanes: bool) -> "Rows":
        """Room for so many values like this one."""

        def room(leaf):
            shape = (leaf.shape[-1], length, *leaf.shape[:-1]) if lanes else (length, *leaf.shape)
            return jnp.zeros(shape, leaf.dtype)

        return cls(jtu.tree_map(room, value), lanes)

    def put(self, j, value) -> "Rows":
        write = jax.lax.dynamic_update_index_in_dim

        def one(rows, leaf):
            return (
                write(rows, jnp.moveaxis(leaf, -1, 0), j, 1)
                if self.lanes
                else write(rows, leaf, j, 0)
            )

        return Rows(jtu.tree_map(one, self.rows, value), self.lanes)

    @property
    def values(self) -> PyTree[Array]:
        """The values, each leaf with a leading axis `(saved,)`."""
        if not self.lanes:
            return self.rows
        return jtu.tree_map(lambda rows: jnp.moveaxis(rows, 0, -1), self.rows)


def march(problem, marks, kept=None, keep=None):
    """The forward pass: the same for every adjoint that has a backward pass of its own.

    **Arguments:** `problem`: scheme, field, driver, `y0`; `kept`: memory to fill; `keep(kept, i,
    state)`: the memory after it met the state before step `i`.

    **Returns:** the values at the marks, the state at the end, the first step whose value is not
    finite, the memory.
    """
    scheme, field, driver, y0 = problem
    state = scheme.init(field, driver.time(0), y0)
    rows = Rows.of(scheme.value(state), len(marks.index), field.lanes)

    def step(i, dx, carry):
        state, diverged, kept, rows = carry
        if keep is not None:
            kept = keep(kept, i, state)
        state = scheme.step(field, driver.time(i), state, dx)
        if marks.every:
            rows = rows.put(i + 1, scheme.value(state))
        return state, watch(scheme, field, state, diverged, i), kept, rows

    def stretch(carry, at):
        j, start, end = at
        drawn, (state, diverged, kept, rows) = forwards(driver, start, end, *carry, step)
        if not marks.every:
            rows = rows.put(j, scheme.value(state))
        return (drawn, (state, diverged, kept, rows)), None

    zero = jnp.zeros((), jnp.int32)
    if marks.every:
        rows = rows.put(0, scheme.value(state))
    carry = stock(driver, zero), (state, watch(scheme, field, state), kept, rows)
    if marks.every:
        # A number, not an array's last entry: a GPU then need not ask the host after every step.
        carry, _ = stretch(carry, (None, zero, len(marks.index) - 1))
    else:
        numbers = jnp.arange(len(marks.index), dtype=jnp.int32)
        carry, _ = scan(stretch, carry, (numbers, *marks.stretches))
    state, diverged, kept, rows = carry[1]
    return rows.values, state, diverged, kept


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
