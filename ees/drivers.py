"""What drives an equation: increments $dX = (dt, dW)$, pure in the step index.

A forward and a backward pass ask the driver for the same step and get the same bits, so no
pass has to store noise.
"""

import abc
import dataclasses
import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ees._pytree import add, as_arrays, scale
from ees.fractional import fractional_noise


# 2^6 * 3^2 * 5 * 7: many divisors, so that a slider over the step counts moves smoothly.
LATTICE = 20160


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

    def with_steps(self, steps: int | Int[Array, ""]) -> "AbstractDriver":
        """This driver with another number of steps.

        The path stays the same where the driver holds one (`BrownianPath` and its like).

        **Raises:** `ValueError` for a number of steps that the driver cannot take.
        """
        _check_steps(steps)
        self.check_steps(steps)
        return eqx.tree_at(lambda driver: driver.steps, self, steps)

    def coarsen(self, factor: int) -> "AbstractDriver":
        """This driver in steps `factor` times as long: each adds up `factor` of its increments.

        The path stays the same, for every driver.

        **Raises:** `ValueError` if `factor` is no positive integer or does not divide `steps`.
        """
        return self.with_steps(_fewer_steps(self.steps, factor))

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
    while the step changes, take `BrownianPath`, or `coarsen` the finest steps, which draws all
    of their increments again.

    **Arguments:**

    - `key`: a JAX random key. `t0`, `t1`, `steps`, `dtype`: as for `Clock`.
    - `shape`: of the increments `dw`: a tuple of integers, or a tree of `jax.ShapeDtypeStruct`,
      whose leaves are drawn from split keys.

    **Raises:** as `Clock`; `ValueError` if `shape` is neither.
    """

    key: PRNGKeyArray
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]
    _like: "_Noise" = eqx.field(static=True)
    _draws: int | Int[Array, ""]

    def __init__(self, key, t0, t1, steps, shape=(), *, dtype=None):
        self.key, self._draws = key, 1
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        self._like = _noise(shape)

    def increment(self, i):
        def draw(j):
            return self._like.normal(jr.fold_in(self.key, j), self.t0.dtype)

        if isinstance(self._draws, int) and self._draws == 1:
            return Increment(self.dt, scale(jnp.sqrt(self.dt), draw(i)))
        first = i * self._draws
        total = jax.lax.fori_loop(
            1, self._draws, lambda j, total: add(total, draw(first + j)), draw(first)
        )
        return Increment(self.dt, scale(jnp.sqrt(self.dt / self._draws), total))

    def coarsen(self, factor):
        # An array, so that one compiled program serves every factor.
        draws = jnp.asarray(self._draws * factor, jnp.int32)
        steps = _fewer_steps(self.steps, factor)
        return eqx.tree_at(lambda d: (d.steps, d._draws), self, (steps, draws))


class AbstractPath(AbstractDriver):
    """A path known on a lattice of equal cells, the same at every step count.

    Every step adds up whole cells, so `steps` may be any divisor of the number of cells. A
    coarse step sees exactly the sum of the finer ones.

    - `values`: `(lattice + 1, *shape)`, the path at the lattice's times; or a tree of those.
    """

    values: eqx.AbstractVar[PyTree[Float[Array, "points ..."]]]

    @property
    def lattice(self) -> int:
        """The number of cells of the lattice."""
        return jtu.tree_leaves(self.values)[0].shape[0] - 1

    def check_steps(self, steps):
        _check_lattice(steps, self.lattice)

    def increment(self, i):
        cells = self.lattice // self.steps
        start = i * cells

        def between(values):
            after = jax.lax.dynamic_index_in_dim(values, start + cells, keepdims=False)
            return after - jax.lax.dynamic_index_in_dim(values, start, keepdims=False)

        return Increment(self.dt, jtu.tree_map(between, self.values))


class BrownianPath(AbstractPath):
    """One Brownian path, drawn once on a lattice and the same at every step count.

    The default lattice, 20160, has 84 divisors: from one to the next the step changes by an
    eighth on average.

    **Arguments:** `key`, `t0`, `t1`, `shape`, `dtype`: as for `Brownian`; `steps`: a divisor of
    `lattice`, or a traced one; `lattice`: the number of cells.

    - `values`: `(lattice + 1, *shape)`, the path at the lattice's times, 0 at `t0`.

    **Raises:** as `Brownian`; `ValueError` if `steps` does not divide `lattice`. A traced `steps`
    cannot be checked; off the lattice it ends the path before `t1`.
    """

    values: PyTree[Float[Array, "points ..."]]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]

    def __init__(self, key, t0, t1, steps, shape=(), *, lattice=LATTICE, dtype=None):
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        _check_lattice(steps, lattice)
        cell = jnp.sqrt((self.t1 - self.t0) / lattice)
        self.values = _path(cell, _noise(shape).normal(key, self.t0.dtype, lattice))


class FractionalBrownian(AbstractPath):
    """One path of fractional Brownian motion, exact in law on the lattice.

    Centred and Gaussian with $E|X_t - X_s|^2 = |t - s|^{2H}$ in each entry, the entries
    independent. The same key with another `hurst` starts from the same normals, so the path
    changes continuously with `hurst`; at 1/2 it is the `BrownianPath` of that key, to round-off.

    **Arguments:**

    - `key`, `t0`, `t1`, `steps`, `shape`, `lattice`, `dtype`: as for `BrownianPath`.
    - `hurst`: $H$, strictly between 1/4 and 1. At 1/4 and below, two such paths have no area
      between them, and an equation that they drive no solution as a limit of smooth ones.

    - `values`: as for `BrownianPath`, in units of time to the power $H$.

    **Raises:** as `BrownianPath`; `ValueError` for a `hurst` outside. A traced one cannot be
    checked.

    **Reference:** Davies, Harte (1987); Coutin, Qian (2002) on the bound 1/4.
    """

    values: PyTree[Float[Array, "points ..."]]
    hurst: Float[Array, ""]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]

    def __init__(self, key, hurst, t0, t1, steps, shape=(), *, lattice=LATTICE, dtype=None):
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        _check_lattice(steps, lattice)
        _check_hurst(hurst)
        self.hurst = jnp.asarray(hurst, self.t0.dtype)
        noise = _noise(shape)
        halves = [noise.normal(k, self.t0.dtype, lattice) for k in (key, jr.fold_in(key, 1))]
        white = jtu.tree_map(lambda *leaves: jnp.concatenate(leaves), *halves)
        increments = jtu.tree_map(lambda leaf: fractional_noise(leaf, self.hurst), white)
        self.values = _path(((self.t1 - self.t0) / lattice) ** self.hurst, increments)


class Sampled(AbstractPath):
    """A path that is given: measured, simulated elsewhere, or a smooth one.

    **Arguments:**

    - `values`: `(points, ...)`, its values at evenly spaced times from `t0` to `t1`, two or more;
      or a tree of those. It need not begin at 0. Gradients flow to it.
    - `t0`, `t1`: as for `Clock`; `steps`: a divisor of `points - 1`, or a traced one.
    - `dtype`: of times and values, that of the values unless given.

    **Raises:** as `BrownianPath`; `ValueError` for `values` with fewer than two points, or with
    leaves of different lengths.
    """

    values: PyTree[Float[Array, "points ..."]]
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]

    def __init__(self, values, t0, t1, steps, *, dtype=None):
        values = as_arrays(values)
        shapes = [leaf.shape for leaf in jtu.tree_leaves(values)]
        lengths = {shape[:1] for shape in shapes}
        if len(lengths) != 1 or lengths in ({()}, {(0,)}, {(1,)}):
            raise ValueError(
                f"values has the shapes {shapes}: every leaf must have the same first axis, of "
                "two points or more."
            )
        if dtype is not None:
            values = jtu.tree_map(lambda leaf: leaf.astype(dtype), values)
        dtype = jnp.finfo(jnp.result_type(*jtu.tree_leaves(values))).dtype
        self.values = values
        self.t0, self.t1, self.steps = _interval(t0, t1, steps, dtype)
        _check_lattice(steps, self.lattice)


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

    def coarsen(self, factor):
        return Backwards(self.driver.coarsen(factor))

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


def _check_hurst(hurst) -> None:
    if not isinstance(hurst, jax.core.Tracer) and not (np.ndim(hurst) == 0 and 1 / 4 < hurst < 1):
        raise ValueError(f"hurst={hurst}: allowed is every number above 1/4 and below 1.")


def _fewer_steps(steps, factor):
    integer = isinstance(factor, int | np.integer) and not isinstance(factor, bool)
    if not integer or factor < 1:
        raise ValueError(f"factor={factor!r}: it must be a positive integer.")
    if not isinstance(steps, jax.core.Tracer) and int(steps) % factor:
        raise ValueError(f"factor={factor}: it must divide the number of steps, {int(steps)}.")
    return steps // factor


def _path(cell, increments):
    """The path from 0 with these increments, in units of `cell`; leaf by leaf."""

    def accumulate(leaf):
        start = jnp.zeros((1, *leaf.shape[1:]), leaf.dtype)
        return jnp.concatenate([start, jnp.cumsum(leaf, axis=0)])

    return scale(cell, jtu.tree_map(accumulate, increments))


@dataclasses.dataclass(frozen=True)
class _Noise:
    """What an increment's noise looks like, kept flat: static fields must be hashable.

    - `leaves`: the shape of each leaf, and its type; `None` for the type of the times.
    """

    leaves: tuple[tuple[tuple[int, ...], np.dtype | None], ...]
    structure: jtu.PyTreeDef

    def normal(self, key, dtype, *leading: int) -> PyTree[Array]:
        """Independent standard normals, with leading axes; one array takes the key as it is."""
        alone = jtu.treedef_is_leaf(self.structure)
        keys = [key] if alone else jr.split(key, len(self.leaves))
        draws = [
            jr.normal(key, (*leading, *shape), dtype if own is None else own)
            for key, (shape, own) in zip(keys, self.leaves)
        ]
        return jtu.tree_unflatten(self.structure, draws)


def _noise(shape) -> _Noise:
    leaves, structure = jtu.tree_flatten(shape)
    if leaves and all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        return _Noise(tuple((leaf.shape, leaf.dtype) for leaf in leaves), structure)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(
            f"shape={shape}: it must be a tuple of non-negative integers, or a tree of "
            "jax.ShapeDtypeStruct."
        )
    return _Noise(((shape, None),), jtu.tree_structure(0))
