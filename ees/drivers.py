"""What drives an equation: increments $dX = (dt, dW)$, pure in the step index.

A forward and a backward pass ask the driver for the same step and get the same bits, so no
pass has to store noise.
"""

import abc
import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray


# 2^6 * 3^2 * 5 * 7: many divisors, so that a slider over the step counts moves smoothly.
LATTICE = 20160


class Increment(eqx.Module):
    """What drives one step. Its negation drives the step back.

    - `dt`: the step in time, a scalar.
    - `dw`: the increment of the noise over the step, an array, in units of the square root of
      time for a Brownian motion; `()` where there is none.
    """

    dt: Float[Array, ""]
    dw: Float[Array, "..."] | tuple = ()

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

    def with_steps(self, steps: int | Int[Array, ""]) -> "AbstractDriver":
        """This driver with another number of steps.

        The path stays the same where the driver holds one (`BrownianPath`).

        **Raises:** `ValueError` for a number of steps that the driver cannot take.
        """
        _check_steps(steps)
        self.check_steps(steps)
        return eqx.tree_at(lambda driver: driver.steps, self, steps)

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
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)

    def increment(self, i):
        return Increment(self.dt)


class Brownian(AbstractDriver):
    """Brownian motion for training: increments drawn from a counter, none of them stored.

    Step `i` draws `jax.random.normal(fold_in(key, i), shape)`, so that a pass in either
    direction needs no memory for noise. Another `steps` is another path: to hold a path fixed
    while the step changes, take `BrownianPath`.

    **Arguments:** `key`: a JAX random key; `t0`, `t1`, `steps`, `dtype`: as for `Clock`;
    `shape`: of the increments `dw`.

    **Raises:** as `Clock`.
    """

    key: PRNGKeyArray
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, key, t0, t1, steps, shape=(), *, dtype=None):
        self.key = key
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        self.shape = _shape(shape)

    def increment(self, i):
        dt = self.dt
        normal = jr.normal(jr.fold_in(self.key, i), self.shape, dt.dtype)
        return Increment(dt, jnp.sqrt(dt) * normal)


class BrownianPath(AbstractDriver):
    """One Brownian path, the same at every step count.

    The path is drawn once on a lattice of equal cells and every step adds up whole cells, so
    `steps` may be any divisor of `lattice`. The default lattice, 20160, has 84 divisors: from
    one to the next the step changes by an eighth on average. A coarse step sees exactly the
    sum of the finer ones.

    **Arguments:** `key`, `t0`, `t1`, `shape`, `dtype`: as for `Brownian`; `steps`: a divisor of
    `lattice`, or a traced one; `lattice`: the number of cells.

    - `values`: `(lattice + 1, *shape)`, the path at the lattice's times, 0 at `t0`.

    **Raises:** as `Clock`; `ValueError` if `steps` does not divide `lattice`. A traced `steps`
    cannot be checked; off the lattice it ends the path before `t1`.
    """

    values: Float[Array, "points ..."]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]

    def __init__(self, key, t0, t1, steps, shape=(), *, lattice=LATTICE, dtype=None):
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        _check_lattice(steps, lattice)
        shape, dtype = _shape(shape), self.t0.dtype
        cell = jnp.sqrt((self.t1 - self.t0) / lattice)
        path = jnp.cumsum(jr.normal(key, (lattice, *shape), dtype), axis=0)
        self.values = cell * jnp.concatenate([jnp.zeros((1, *shape), dtype), path])

    @property
    def lattice(self) -> int:
        """The number of cells of the lattice."""
        return self.values.shape[0] - 1

    def check_steps(self, steps):
        _check_lattice(steps, self.lattice)

    def increment(self, i):
        cells = self.lattice // self.steps
        start = i * cells
        after = jax.lax.dynamic_index_in_dim(self.values, start + cells, keepdims=False)
        before = jax.lax.dynamic_index_in_dim(self.values, start, keepdims=False)
        return Increment(self.dt, after - before)


class Backwards(AbstractDriver):
    """Another driver run from its end to its start: increments negated, in reverse order."""

    driver: AbstractDriver

    @property
    def t0(self):
        return self.driver.t1

    @property
    def t1(self):
        return self.driver.t0

    @property
    def steps(self):
        return self.driver.steps

    def with_steps(self, steps):
        return Backwards(self.driver.with_steps(steps))

    def increment(self, i):
        return -self.driver.increment(self.steps - 1 - i)


def divisors(number: int) -> list[int]:
    """The divisors of a positive integer in increasing order: the step counts of a lattice."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _interval(t0, t1, steps, dtype):
    dtype = jnp.result_type(float if dtype is None else dtype)
    _check_steps(steps)
    if not any(isinstance(end, jax.core.Tracer) for end in (t0, t1)):
        if not (np.isfinite(t0) and np.isfinite(t1) and t0 < t1):
            raise ValueError(f"t0={t0}, t1={t1}: the times must be finite with t0 < t1.")
    return jnp.asarray(t0, dtype), jnp.asarray(t1, dtype), steps


def _check_steps(steps) -> None:
    integer = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    array = isinstance(steps, jax.Array | np.ndarray) and jnp.issubdtype(steps.dtype, jnp.integer)
    if not (integer or (array and steps.ndim == 0)):
        raise ValueError(f"steps={steps!r}: the number of steps must be an integer.")
    if not isinstance(steps, jax.core.Tracer) and steps < 1:
        raise ValueError(f"steps={steps}: at least 1 step is needed.")


def _check_lattice(steps, lattice) -> None:
    if not isinstance(steps, jax.core.Tracer) and lattice % int(steps):
        near = sorted(divisors(lattice), key=lambda d: abs(math.log(d / int(steps))))[:3]
        raise ValueError(
            f"steps={int(steps)}: the path is known at {lattice} cells, and the number of steps "
            f"must divide that; the nearest that do are {sorted(near)}."
        )


def _shape(shape) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"shape={shape}: it must be a tuple of non-negative integers.")
    return shape
