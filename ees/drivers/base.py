"""The contract of a driver: increments $dX = (dt, dW)$, pure in the step index.

A forward and a backward pass ask the driver for the same step and get the same bits, so no
pass has to store noise.
"""

import abc

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree


_FEW, _MOST_STEPS = 16, 256


class Increment(eqx.Module):
    """What drives one step. Its negation drives the step back.

    - `dt`: the step in time, a scalar.
    - `dw`: the increment of the noise over the step, an array or a tree of them, in units of the
      square root of time for a Brownian motion; `()` where there is none.
    """

    dt: Float[Array, ""]
    dw: PyTree[Float[Array, "..."]] = ()

    def __neg__(self) -> "Increment":
        return jax.tree.map(lambda leaf: -leaf, self)


class AbstractDriver(eqx.Module):
    """Increments over `steps` equal steps from `t0` to `t1`, in units of time."""

    t0: eqx.AbstractVar[Float[Array, ""]]
    t1: eqx.AbstractVar[Float[Array, ""]]
    steps: eqx.AbstractVar[int | Int[Array, ""]]

    @property
    def dt(self) -> Float[Array, ""]:
        """The length of a step."""
        return (self.t1 - self.t0) / self.steps

    def time(self, i: int | Int[Array, "..."]) -> Float[Array, "..."]:
        """The time at the start of step `i`, never accumulated: `t0 + i * dt`."""
        return self.t0 + jnp.asarray(i, self.dt.dtype) * self.dt

    @abc.abstractmethod
    def increment(self, i: int | Int[Array, ""]) -> Increment:
        """The increment over step `i`, from `time(i)` to `time(i + 1)`."""

    def seed(self, i: int | Int[Array, ""]) -> PyTree[Array]:
        """What of the draw of step `i` is worth computing once, before it; `()` for nothing."""
        return ()

    def draw(self, i: int | Int[Array, ""], seed: PyTree[Array]) -> PyTree[Array]:
        """What of the increment over step `i` is worth computing once, before it is used.

        Where a driver has a `width`, `i` may be several steps `(count,)`, here and for the seed:
        then each leaf, which is flat but for them, has them as its second axis.
        """
        return self.increment(i)

    def drawn(self, draw: PyTree[Array]) -> Increment:
        """The increment of which `draw` is a part: `drawn(draw(i, seed(i)))` is `increment(i)`."""
        return draw

    def laid_out(self) -> "AbstractDriver":
        """This driver with its arrays in the form that is best to compute with, as `solve` does."""
        return self

    @property
    def width(self) -> int:
        """How many random numbers a draw makes; 0 where drawing several at once gains nothing."""
        return 0

    @property
    def together(self) -> int:
        """How many consecutive steps are best drawn at once.

        A draw of a few numbers costs a chain of operations each; of many, memory to keep.
        """
        return _MOST_STEPS if 0 < self.width <= _FEW else 1

    def with_steps(self, steps: int | Int[Array, ""]) -> "AbstractDriver":
        """This driver with another number of steps.

        The path stays the same where the driver holds one (`BrownianPath` and its like).

        **Raises:** `ValueError` for a number of steps that the driver cannot take.
        """
        check_count(steps)
        self.check_steps(steps)
        return eqx.tree_at(lambda driver: driver.steps, self, steps)

    def coarsen(self, factor: int) -> "AbstractDriver":
        """This driver in steps `factor` times as long: each adds up `factor` of its increments.

        The path stays the same, for every driver.

        **Raises:** `ValueError` if `factor` is no positive integer or does not divide `steps`.
        """
        return self.with_steps(fewer_steps(self.steps, factor))

    def check_steps(self, steps) -> None:
        """Raises `ValueError` if the driver cannot take that number of steps."""


class Clock(AbstractDriver):
    """Time alone: the driver of an ordinary differential equation.

    **Arguments:** `t0`, `t1`: the ends, in units of time, `t0 < t1`; `steps`: a positive
    integer, or a traced one; `dtype`: of the times, the default float of JAX unless given.

    **Raises:** `ValueError` if the ends are not finite and increasing or `steps` is less than 1.
    """

    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]

    def __init__(self, t0, t1, steps, *, dtype=None):
        self.t0, self.t1, self.steps = interval(t0, t1, steps, dtype)

    def increment(self, i):
        return Increment(self.dt)

    def draw(self, i, seed):
        return ()

    def drawn(self, draw):
        return Increment(self.dt)


def interval(t0, t1, steps, dtype):
    """The ends of a time interval as arrays, and the number of steps, once they are looked at."""
    dtype = jnp.result_type(float if dtype is None else dtype)
    check_count(steps)
    if not any(isinstance(end, jax.core.Tracer) for end in (t0, t1)):
        if not (np.isfinite(t0) and np.isfinite(t1) and t0 < t1):
            raise ValueError(f"t0={t0}, t1={t1}: the times must be finite with t0 < t1.")
    return jnp.asarray(t0, dtype), jnp.asarray(t1, dtype), steps


def check_count(steps) -> None:
    """Raises `ValueError` unless `steps` is a positive integer, or may be one."""
    integer = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    array = isinstance(steps, jax.Array | np.ndarray) and jnp.issubdtype(steps.dtype, jnp.integer)
    if not (integer or (array and steps.ndim == 0)):
        raise ValueError(f"steps={steps!r}: the number of steps must be an integer.")
    if not isinstance(steps, jax.core.Tracer) and steps < 1:
        raise ValueError(f"steps={steps}: at least 1 step is needed.")


def fewer_steps(steps, factor):
    """`steps / factor`, once it is known to be a number of steps, or may be one."""
    integer = isinstance(factor, int | np.integer) and not isinstance(factor, bool)
    if not integer or factor < 1:
        raise ValueError(f"factor={factor!r}: it must be a positive integer.")
    if not isinstance(steps, jax.core.Tracer) and int(steps) % factor:
        raise ValueError(f"factor={factor}: it must divide the number of steps, {int(steps)}.")
    return steps // factor
