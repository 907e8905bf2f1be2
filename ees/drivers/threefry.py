"""Normals from a counter: what `jax.random` draws, to the bit, at a lower price.

Threefry-2x32 in 20 rounds, written out. JAX rolls its rounds into a loop on a CPU, and a loop
cannot be fused with what uses the bits: most of a draw was the memory in between.

**Reference:** Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from collections.abc import Sequence

import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray


_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_PARITY = np.uint32(0x1BD11BDA)


def normals(
    key: PRNGKeyArray, i: Int[Array, ""], sizes: Sequence[int], dtypes: Sequence[np.dtype]
) -> list[Float[Array, " size"]]:
    """Independent standard normals of step `i`, a flat array of each size.

    For one size `normal(fold_in(key, i), size)`; for several, each from its own of the keys that
    `fold_in(key, i)` is split into; all of them as in `jax.random`, which draws the same numbers
    for every shape of one size. Keys of other generators than threefry are left to `jax.random`.

    **Arguments:** `key`: a JAX random key; `i`: an integer, taken modulo $2^{32}$; `dtypes`: of
    the arrays, each float32 or float64.
    """
    plain = all(dtype in (np.float32, np.float64) for dtype in dtypes)
    small = all(size < 2**31 for size in sizes)
    if not (plain and small and jr.key_impl(key) == "threefry2x32"):
        key = jr.fold_in(key, i)
        keys = [key] if len(sizes) == 1 else jr.split(key, len(sizes))
        return [jr.normal(*draw) for draw in zip(keys, [(size,) for size in sizes], dtypes)]
    high, low = jr.key_data(key)
    pair = _hash(high, low, jnp.zeros((), jnp.uint32), jnp.asarray(i).astype(jnp.uint32))
    pairs = [pair] if len(sizes) == 1 else _split(pair, len(sizes))
    return [_normal(*draw) for draw in zip(pairs, sizes, dtypes)]


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
        counts = jnp.zeros((), jnp.uint32), jax.lax.iota(jnp.uint32, size)
        first, second = _hash(*pair, *counts)
        if width == 32:
            return first ^ second
    elif width == 32:
        return _row(pair, size)
    else:
        counts = jax.lax.iota(jnp.uint32, size)
        first, second = _hash(*pair, counts, counts + np.uint32(size))
    return (first.astype(jnp.uint64) << 32) | second.astype(jnp.uint64)


def _split(pair, number):
    """The keys that `jax.random.split` makes of one, as pairs."""
    if jax.config.jax_threefry_partitionable:
        counts = jnp.zeros((), jnp.uint32), jax.lax.iota(jnp.uint32, number)
        return list(zip(*_hash(*pair, *counts)))
    return list(_row(pair, 2 * number).reshape(number, 2))


def _row(pair, size):
    """`size` words, counted through: the older way, where halves of the counter make pairs."""
    half = -(-size // 2)
    first = jax.lax.iota(jnp.uint32, half)
    second = jnp.where(first + np.uint32(half) < size, first + np.uint32(half), 0)
    return jnp.concatenate(_hash(*pair, first, second))[:size]


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
