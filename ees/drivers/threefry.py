"""Normals from a counter: what `jax.random` draws, to the bit, at a lower price.

Threefry-2x32 in 20 rounds, written out. JAX rolls its rounds into a loop on a CPU, and a loop
cannot be fused with what uses the bits: most of a draw was the memory in between.

**Reference:** Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

import functools
from collections.abc import Sequence

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt32


_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_PARITY = np.uint32(0x1BD11BDA)


class Words(eqx.Module):
    """Threefry keys as words, the words of many keys each in one piece."""

    high: UInt32[Array, "..."]
    low: UInt32[Array, "..."]


def words(key: PRNGKeyArray) -> Words | PRNGKeyArray:
    """Keys as words; those of another generator than threefry as keys with a type."""
    if isinstance(key, Words):
        return key
    if jr.key_impl(key) != "threefry2x32":
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        return key if typed else jr.wrap_key_data(key, impl=jr.key_impl(key))
    data = jr.key_data(key)
    return Words(data[..., 0], data[..., 1])


def fold_in(key: PRNGKeyArray | Words, i: Int[Array, "..."]) -> PRNGKeyArray | Words:
    """The keys of step `i`, as `jax.random.fold_in` makes them, of shape `(*i.shape, *keys)`.

    **Arguments:** `key`: JAX random keys, of any shape; `i`: integers, taken modulo $2^{32}$, of
    any shape.
    """
    i, key = jnp.asarray(i), words(key)
    if isinstance(key, Words):
        return _fold_in(key, i.astype(jnp.uint32))
    fold = jr.fold_in
    for _ in range(key.ndim):
        fold = jax.vmap(fold, in_axes=(0, None))
    for _ in range(i.ndim):
        fold = jax.vmap(fold, in_axes=(None, 0))
    return fold(key, i)


def normals(
    key: PRNGKeyArray | Words, sizes: Sequence[int], dtypes: Sequence[np.dtype]
) -> list[Float[Array, "size ..."]]:
    """Independent standard normals, a flat array of each size.

    For one size `normal(key, size)`; for several, each from its own of the keys that `key` is
    split into; all of them as in `jax.random`, which draws the same numbers for every shape of
    one size. Keys of other generators than threefry are left to `jax.random`.

    **Arguments:** `key`: JAX random keys, of any shape; `dtypes`: of the results, each float32 or
    float64.

    **Returns:** arrays `(size, *keys)`: the long axes last, for the vector unit.
    """
    key = words(key)
    plain = all(dtype in (np.float32, np.float64) for dtype in dtypes)
    if isinstance(key, Words) and plain and all(size < 2**31 for size in sizes):
        return _draw(key, tuple(zip(sizes, dtypes)))
    if isinstance(key, Words):
        key = jr.wrap_key_data(jnp.stack([key.high, key.low], axis=-1), impl="threefry2x32")

    def draw(key):
        keys = [key] if len(sizes) == 1 else jr.split(key, len(sizes))
        return [jr.normal(k, (size,), dtype) for k, size, dtype in zip(keys, sizes, dtypes)]

    for _ in range(key.ndim):
        draw = jax.vmap(draw, in_axes=-1, out_axes=-1)
    return draw(key)


# Compiled by themselves these would be no use; traced by themselves they are traced once.
@jax.jit
def _fold_in(key, i):
    i = i[(...,) + (None,) * key.high.ndim]
    return Words(*_hash(key.high, key.low, jnp.zeros((), jnp.uint32), i))


@functools.partial(jax.jit, static_argnums=1)
def _draw(key, like):
    pair = key.high, key.low
    pairs = [pair] if len(like) == 1 else _split(pair, len(like))
    return [_normal(pair, *each) for pair, each in zip(pairs, like)]


def _normal(pair, size, dtype):
    # Bits of a mantissa make a number in [1, 2), then in [-1, 1), whose two ends are no normals.
    kind = np.finfo(dtype)
    bits = _bits(pair, size, kind.bits)
    one = np.ones((), dtype).view(bits.dtype)
    unit = jax.lax.bitcast_convert_type((bits >> (kind.bits - kind.nmant)) | one, dtype)
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    # As `jax.random` computes it, in this order.
    uniform = jnp.maximum(low, (unit - dtype.type(1)) * (dtype.type(1) - low) + low)
    return np.sqrt(2).astype(dtype) * jax.lax.erf_inv(uniform)


def _bits(pair, size, width):
    """Random bits: 32 or 64 in each of `size` integers."""
    if jax.config.jax_threefry_partitionable:
        first, second = _hash(*pair, jnp.zeros((), jnp.uint32), _count(pair, size))
        if width == 32:
            return first ^ second
    elif width == 32:
        return _row(pair, size)
    else:
        counts = _count(pair, size)
        first, second = _hash(*pair, counts, counts + np.uint32(size))
    return (first.astype(jnp.uint64) << 32) | second.astype(jnp.uint64)


def _split(pair, number):
    """The keys that `jax.random.split` makes of one, as pairs."""
    if jax.config.jax_threefry_partitionable:
        return list(zip(*_hash(*pair, jnp.zeros((), jnp.uint32), _count(pair, number))))
    words = _row(pair, 2 * number)
    return [(words[2 * j], words[2 * j + 1]) for j in range(number)]


def _row(pair, size):
    """`size` words, counted through: the older way, where halves of the counter make pairs."""
    half = -(-size // 2)
    first = _count(pair, half)
    second = jnp.where(first + np.uint32(half) < size, first + np.uint32(half), 0)
    return jnp.concatenate(_hash(*pair, first, second))[:size]


def _count(pair, size):
    """0, 1, ... along an axis before those of the keys."""
    return jax.lax.iota(jnp.uint32, size).reshape(size, *(1,) * pair[0].ndim)


def _hash(high, low, first, second):
    keys = high, low, high ^ low ^ _PARITY
    first, second = first + high, second + low
    for turn in range(5):
        for distance in _ROTATIONS[turn % 2]:
            first = first + second
            second = (second << distance) | (second >> (32 - distance))
            second = first ^ second
        first = first + keys[(turn + 1) % 3]
        second = second + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return first, second
