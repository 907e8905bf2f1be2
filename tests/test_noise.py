"""The driver's own draw has the bits of `jax.random`, however it is asked."""

import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.drivers.threefry import fold_in, normals, words


KEY = jr.key(7)


def _theirs(key, i, size, dtype):
    return jr.normal(jr.fold_in(key, jnp.asarray(i, jnp.int32)), (size,), dtype)


@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")], ids=str)
def test_the_bits_are_those_of_jax_random(dtype, partitionable):
    sizes = (0, 1, 7, 64)
    with jax.threefry_partitionable(partitionable):
        ours = jax.jit(lambda key, i: [normals(fold_in(key, i), [n], [dtype])[0] for n in sizes])
        theirs = jax.jit(lambda key, i: [_theirs(key, i, n, dtype) for n in sizes])
        for key in (jr.key(0), jr.key(2**40 + 5)):
            for i in (0, 12345, -1, 2**31 - 1):
                i = jnp.asarray(i, jnp.int32)
                for found, wanted in zip(ours(key, i), theirs(key, i)):
                    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("partitionable", [True, False])
def test_each_leaf_of_a_tree_has_the_bits_of_its_own_key(partitionable):
    kinds = [np.dtype("float32"), np.dtype("float64"), np.dtype("float64")]
    with jax.threefry_partitionable(partitionable):
        found = jax.jit(lambda i: normals(fold_in(KEY, i), [3, 1, 4], kinds))(jnp.asarray(5))
        keys = jr.split(jr.fold_in(KEY, 5), 3)
        for leaf, key, size, dtype in zip(found, keys, [3, 1, 4], kinds):
            np.testing.assert_array_equal(leaf, jr.normal(key, (size,), dtype))


def test_a_key_without_a_type_is_the_same_key():
    [found] = normals(fold_in(jr.PRNGKey(3), 5), [7], [np.dtype("float32")])
    np.testing.assert_array_equal(found, _theirs(jr.key(3), 5, 7, np.float32))


def test_many_steps_and_many_keys_are_drawn_at_once_with_the_same_bits():
    keys = jr.split(jr.key(1), 5)
    steps = jnp.arange(4)
    [found] = normals(fold_in(words(keys), steps), [3], [np.dtype("float64")])
    assert found.shape == (3, 4, 5)
    for i in range(4):
        for path in range(5):
            np.testing.assert_array_equal(found[:, i, path], _theirs(keys[path], i, 3, float))


def test_half_precision_and_other_generators_are_left_to_jax_random():
    for key, dtype in ((KEY, jnp.dtype("bfloat16")), (jr.key(1, impl="rbg"), np.dtype("float32"))):
        [found] = normals(fold_in(key, 3), [4], [dtype])
        np.testing.assert_array_equal(found, _theirs(key, 3, 4, dtype))


@pytest.mark.parametrize("shape, steps", [((), 600), ((3,), 256), ((2, 20), 30)])
def test_a_solve_sees_the_increments_of_the_driver_in_whatever_pieces_they_are_drawn(shape, steps):
    # dy = dW: the end is the sum of all increments, the beginning of the way back its reverse.
    field = ees.SDE(lambda t, y: 0 * y, lambda t, y: jnp.ones_like(y), ees.Diagonal())
    driver = ees.Brownian(KEY, 0.0, 1.0, steps, shape)
    dw = np.asarray(jax.vmap(lambda i: driver.increment(i).dw)(jnp.arange(steps)))
    wanted = np.concatenate([np.zeros((1, *shape)), np.cumsum(dw, axis=0)])
    found = ees.solve(field, ees.Euler(), driver, jnp.zeros(shape), save="all")
    np.testing.assert_allclose(found.ys, wanted, atol=1e-13)
    some = ees.solve(field, ees.Euler(), driver, jnp.zeros(shape), save=4)
    np.testing.assert_allclose(some.ys, wanted[np.round(some.ts * steps).astype(int)], atol=1e-13)
    back = ees.reverse(field, ees.Euler(), driver, found.state, save=4)
    np.testing.assert_allclose(back.ys, some.ys[::-1], atol=1e-13)
