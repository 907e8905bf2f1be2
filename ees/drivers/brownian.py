"""Brownian motion from a counter, and the normals that every random driver draws."""

import dataclasses
import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ees._pytree import add, scale
from ees.drivers.base import AbstractDriver, Increment, fewer_steps, interval
from ees.drivers.threefry import Words, fold_in, normals, words


@dataclasses.dataclass(frozen=True)
class Noise:
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

    def flat_normal(self, key, dtype) -> list[Float[Array, " size"]]:
        """The standard normals of a key, leaf by leaf, not yet in shape."""
        sizes = [math.prod(shape) for shape, _ in self.leaves]
        return normals(key, sizes, [dtype if own is None else own for _, own in self.leaves])

    def shaped(self, flat) -> PyTree[Array]:
        """Flat leaves in their shapes."""
        leaves = [leaf.reshape(shape) for leaf, (shape, _) in zip(flat, self.leaves)]
        return jtu.tree_unflatten(self.structure, leaves)

    @property
    def size(self) -> int:
        """How many numbers there are, at least 1."""
        return max(1, sum(math.prod(shape) for shape, _ in self.leaves))


def noise_of(shape) -> Noise:
    """The noise of a shape as a user writes it: a tuple, an integer, or a tree of shapes.

    **Raises:** `ValueError` for anything else.
    """
    leaves, structure = jtu.tree_flatten(shape)
    if leaves and all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        return Noise(tuple((leaf.shape, leaf.dtype) for leaf in leaves), structure)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(
            f"shape={shape}: it must be a tuple of non-negative integers, or a tree of "
            "jax.ShapeDtypeStruct."
        )
    return Noise(((shape, None),), jtu.tree_structure(0))


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

    key: PRNGKeyArray | Words
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]
    _like: Noise = eqx.field(static=True)
    _draws: int | Int[Array, ""]

    def __init__(self, key, t0, t1, steps, shape=(), *, dtype=None):
        self.key, self._draws = key, 1
        self.t0, self.t1, self.steps = interval(t0, t1, steps, dtype)
        self._like = noise_of(shape)

    def increment(self, i):
        return self.drawn(self.draw(i, ()))

    def seed(self, i):
        # Keys of steps or of paths, each worth a place of its own where several numbers come of it.
        if self._coarse or self._like.size == 1 or not isinstance(self.key, Words):
            return ()
        return fold_in(self.key, i) if jnp.ndim(i) or self.key.high.ndim else ()

    def draw(self, i, seed):
        # Flat: XLA vectorises over the last axis alone, and a state's may be short. `Abreast`
        # asks with many keys at once, whose axis comes last.
        def flat(j, seed=()):
            key = seed if isinstance(seed, Words) else fold_in(self.key, j)
            return self._like.flat_normal(key, self.t0.dtype)

        if not self._coarse:
            return scale(jnp.sqrt(self.dt), flat(i, seed))
        first = i * self._draws
        total = jax.lax.fori_loop(
            1, self._draws, lambda j, total: add(total, flat(first + j)), flat(first)
        )
        return scale(jnp.sqrt(self.dt / self._draws), total)

    def laid_out(self):
        return eqx.tree_at(lambda d: d.key, self, words(self.key))

    def drawn(self, draw):
        return Increment(self.dt, self._like.shaped(draw))

    @property
    def width(self):
        return 0 if self._coarse else self._like.size

    @property
    def _coarse(self):
        return not (isinstance(self._draws, int) and self._draws == 1)

    def coarsen(self, factor):
        steps = fewer_steps(self.steps, factor)
        # An array, so that one compiled program serves every factor.
        draws = jnp.asarray(self._draws * factor, jnp.int32)
        return eqx.tree_at(lambda d: (d.steps, d._draws), self, (steps, draws))
