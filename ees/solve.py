"""`solve` runs a scheme along a driver; `reverse` runs it back."""

from typing import Literal

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from ees._pytree import as_arrays
from ees.adjoints import (
    NEVER,
    AbstractAdjoint,
    Auto,
    FullBackprop,
    Marks,
    RecursiveCheckpoint,
)
from ees.drivers import AbstractDriver, Backwards
from ees.fields import AbstractField
from ees.schemes import AbstractScheme, Undo


class Solution(eqx.Module):
    """What a solve found. A path that diverges is a result: its values are kept as they are.

    - `ts`: `(saved,)`, the saved times.
    - `ys`: the saved values, each leaf with a leading axis `(saved,)`.
    - `state`: the scheme's whole state at the end, which `reverse` runs back from.
    - `evaluations`: the number of field evaluations that the steps made.
    - `diverged_at`: the first time at which a value was not finite, `inf` if none was.
    """

    ts: Float[Array, " saved"]
    ys: PyTree[Array]
    state: PyTree[Array]
    evaluations: Int[Array, ""]
    diverged_at: Float[Array, ""]


def solve(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver,
    y0: PyTree[ArrayLike],
    *,
    adjoint: AbstractAdjoint | Literal["auto"] = RecursiveCheckpoint(),
    save: Literal["end", "all"] | int = "end",
) -> Solution:
    """Solves $dy = f(t, y) \\cdot dX$ from `y0` along a driver.

    **Arguments:**

    - `field`, `scheme`, `driver`: the equation, the method, what drives it and in how many
      steps. Gradients flow to the field's and the driver's arrays. Parameters must live in the
      field, as arrays of an Equinox module: one that a plain function closes over is differentiated
      under `FullBackprop` alone, and every adjoint with a backward pass of its own ends in JAX's
      error about a closed-over value.
    - `y0`: the state at the driver's `t0`; any pytree of arrays.
    - `adjoint`: how the solution is differentiated. It does not change the solution. The default
      is exact in O(sqrt(steps)) memory, for any number of mapped paths, at about 1.3 times the
      time of `StoredStates`; `"auto"` is `Auto()`, which takes that while it fits.
    - `save`: `"end"`, `"all"` (all `steps + 1` values), or a number of points from 2 up, evenly
      spaced from `t0` to `t1`, each moved to the nearest step; with fewer steps than that,
      steps repeat.

    **Returns:** a `Solution`. `ts` and `ys` always have a leading axis, of length 1 for
    `"end"`. Another number of steps, other times or parameters compile nothing new, unless
    `save="all"`.

    **Raises:** `ValueError` for another `save` or another name of an adjoint, for `save="all"`
    with a traced number of steps, for a driver whose noise does not fit the field, or for a field
    that does not keep the shape and the precision of the state.
    """
    return _run(field, scheme, driver, as_arrays(y0), adjoint, save, back=False)


def reverse(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver,
    state: PyTree[Array],
    *,
    adjoint: AbstractAdjoint | Literal["auto"] = RecursiveCheckpoint(),
    save: Literal["end", "all"] | int = "end",
) -> Solution:
    """Runs a scheme back from the state at the end of a solve, with its own reverse steps.

    **Arguments:** as for `solve`; `state`: the `state` of a `Solution` along this driver.

    **Returns:** a `Solution` in the order of the way back: `ts` falls from `t1` to `t0`, at the
    times that `solve` saves, and the last of `ys` is what was recovered of `y0`. `diverged_at`
    is the first time met on the way back at which a value was not finite, `inf` if none was.

    **Raises:** `ValueError` as `solve`.
    """
    return _run(field, Undo(scheme), Backwards(driver), state, adjoint, save, back=True)


def _run(field, scheme, driver, start, adjoint, save, back) -> Solution:
    driver, *choices = prepare(field, scheme, driver, start, adjoint, save)
    return run(field, scheme, driver, start, *choices, back)


def prepare(field, scheme, driver, start, adjoint, save):
    """The driver, and what a program is compiled for: `adjoint`, `save` and `capacity` of `run`.

    The driver's number of steps is an array, so that another one compiles nothing new; `capacity`
    is that number where the program has to know it, else `None`.
    """
    steps = driver.steps if isinstance(driver.steps, jax.core.Tracer) else int(driver.steps)
    save = _check_save(save, steps)
    if isinstance(adjoint, str):
        if adjoint != "auto":
            raise ValueError(f'adjoint={adjoint!r}: it must be an adjoint or "auto".')
        adjoint = Auto()
    adjoint = adjoint.ready(field, scheme, driver, start)
    # A program that is neither differentiated nor embedded needs no bound on its steps, and
    # without one it serves every number of steps.
    leaves = jtu.tree_leaves((field, driver, start, adjoint))
    embedded = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    bounded = save == "all" or (adjoint.bounded and embedded) or isinstance(adjoint, FullBackprop)
    capacity = steps if isinstance(steps, int) and bounded else None
    if getattr(driver.steps, "dtype", None) != jnp.int32:
        driver = driver.with_steps(jnp.asarray(steps, jnp.int32))
    return driver, adjoint, save, capacity


@eqx.filter_jit
def run(field, scheme, driver, start, adjoint, save, capacity, back=False) -> Solution:
    """What `solve` and `reverse` compile, of what is prepared."""
    driver = driver.laid_out()
    first = scheme.init(field, driver.t0, start)
    # Shapes are known when a program is traced, and only then is this looked at.
    _check_noise(field, driver, scheme.value(first))
    marks = _marks(save, driver.steps, back, capacity)
    try:
        ys, state, diverged = adjoint.integrate(scheme, field, driver, start, marks, capacity)
    except TypeError as error:
        _explain(field, scheme, driver, first, error)
        raise
    return Solution(
        ts=driver.time(marks.index),
        ys=ys,
        state=state,
        evaluations=scheme.spent(first, state, driver.steps),
        diverged_at=jnp.where(diverged == NEVER, jnp.inf, driver.time(diverged)),
    )


def _marks(save, steps, back, capacity) -> Marks:
    if save == "end":
        return Marks(steps[None])
    if save == "all":
        return Marks(jnp.arange(capacity + 1, dtype=jnp.int32), every=True)
    # round(j * steps / (save - 1)) without the product, which would overflow 32 bits.
    gaps = save - 1
    j = jnp.arange(save, dtype=jnp.int32)
    index = j * (steps // gaps) + (j * (steps % gaps) + gaps // 2) // gaps
    # The way back meets the same times: halves, rounded up from this end, go the other way.
    return Marks(steps - index[::-1] if back else index)


def _check_save(save, steps):
    number = isinstance(save, int | np.integer) and not isinstance(save, bool)
    if not (save in ("end", "all") or (number and 2 <= save <= 32768)):
        raise ValueError(
            f'save={save!r}: it must be "end", "all" or a number of points from 2 to 32768.'
        )
    if save == "all" and not isinstance(steps, int):
        raise ValueError(
            'save="all": the number of steps is traced, so the number of values is unknown when '
            "the program is compiled; give a number of points instead."
        )
    return save if isinstance(save, str) else int(save)


def _check_noise(field, driver, y0) -> None:
    given = jax.eval_shape(driver.increment, 0).dw
    given = None if given == () else _shapes(given)
    needed = _shapes(field.noise_shape(driver.t0, y0))
    if given != needed:
        have = "no noise" if given is None else f"noise of shape {given}"
        want = "no noise: ees.Clock" if needed is None else f"noise of shape {needed}"
        raise ValueError(
            f"driver={type(driver).__name__}: it gives {have}, and the field needs {want}."
        )


def _explain(field, scheme, driver, state, error) -> None:
    """Raises `ValueError` if JAX found fault with a step that does not give a state again.

    Looked at only then, because it costs as much as to trace the step once more.
    """

    def kind(leaf):
        return f"{leaf.dtype}{list(leaf.shape)}"

    after = jax.eval_shape(lambda: scheme.step(field, driver.t0, state, driver.increment(0)))
    for before, found in zip(jtu.tree_leaves(state), jtu.tree_leaves(after)):
        if kind(before) != kind(found):
            raise ValueError(
                f"field: one step turns a state of {kind(before)} into {kind(found)}; drift and "
                f"diffusion must keep its shape and precision. (The driver's times are of "
                f"{driver.dt.dtype}; dtype=... of the driver sets that.)"
            ) from error


def _shapes(noise):
    """The shape of each leaf, in place of the leaf; a shape itself is left as it is."""
    return jtu.tree_map(lambda leaf: getattr(leaf, "shape", leaf), noise)
