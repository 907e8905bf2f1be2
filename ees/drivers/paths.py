"""Paths known on a lattice: a step of any size sees the same path."""

import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ees._pytree import as_arrays, scale
from ees.drivers.base import AbstractDriver, Increment, interval
from ees.drivers.brownian import noise_of
from ees.drivers.fractional import fractional_noise


# 2^6 * 3^2 * 5 * 7: many divisors, so that a slider over the step counts moves smoothly.
LATTICE = 20160


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
        self.t0, self.t1, self.steps = interval(t0, t1, steps, dtype)
        _check_lattice(steps, lattice)
        cell = jnp.sqrt((self.t1 - self.t0) / lattice)
        self.values = _path(cell, noise_of(shape).normal(key, self.t0.dtype, lattice))


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
        self.t0, self.t1, self.steps = interval(t0, t1, steps, dtype)
        _check_lattice(steps, lattice)
        _check_hurst(hurst)
        self.hurst = jnp.asarray(hurst, self.t0.dtype)
        noise = noise_of(shape)
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
        self.t0, self.t1, self.steps = interval(t0, t1, steps, dtype)
        _check_lattice(steps, self.lattice)


def divisors(number: int) -> list[int]:
    """The divisors of a positive integer in increasing order: the step counts of a lattice."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _path(cell, increments):
    """The path from 0 with these increments, in units of `cell`; leaf by leaf."""

    def accumulate(leaf):
        start = jnp.zeros((1, *leaf.shape[1:]), leaf.dtype)
        return jnp.concatenate([start, jnp.cumsum(leaf, axis=0)])

    return scale(cell, jtu.tree_map(accumulate, increments))


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
