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
    drift, diffusion = _network(1, 1.0, dtype), _network(2, 0.2, dtype)
    start = jr.normal(jr.key(3), (PATHS, DIM), jnp.float64).astype(dtype)
    return ees.SDE(drift, diffusion, ees.Diagonal()), start


def _path(steps, shape=(PATHS, DIM)):
    """One path for either precision: its increments are the same numbers in both."""
    dw = np.random.default_rng(0).normal(size=(steps, *shape)) / np.sqrt(steps)
    return np.concatenate([np.zeros((1, *shape)), np.cumsum(np.round(dw * 2**16), axis=0)]) / 2**16


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


class Pull(eqx.Module):
    weight: jax.Array

    def __call__(self, t, y):
        return -40 * y + jnp.sin(self.weight * y + 1)


def test_where_the_equation_contracts_the_start_is_lost_and_the_gradient_right():
    # The way back magnifies a rounding by exp(40), and the adjoint falls by as much: what was
    # lost no longer matters. Reversible Heun grows on its second solution, which is not stable.
    steps = 1000
    values = _path(steps, (64, 2))

    def problem(dtype):
        field = ees.SDE(Pull(jnp.ones(2, dtype)), lambda t, y: 0.5 + 0 * y, ees.Diagonal())
        driver = ees.Sampled(jnp.asarray(values, dtype), 0.0, 1.0, steps, dtype=dtype)
        return field, driver, jnp.tile(jnp.asarray([1.0, -0.7], dtype), (64, 1))

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(field, scheme, driver, start, adjoint):
        return jnp.sum(ees.solve(field, scheme, driver, start, adjoint=adjoint).ys[0] ** 2)

    def found(scheme, dtype, adjoint):
        field, driver, start = problem(dtype)
        leaf = gradient(field, scheme, driver, start, adjoint).drift.weight
        return np.asarray(leaf, np.float64)

    truth = found(ees.EES25(), jnp.float64, ees.StoredStates())
    single = found(ees.EES25(), jnp.float32, ees.Reversible())
    assert np.linalg.norm(single - truth) <= 1e-6 * np.linalg.norm(truth)
    # The rest is the rounding of the solution itself: states that were stored give no less.
    stored = found(ees.EES25(), jnp.float32, ees.StoredStates())
    assert np.linalg.norm(single - stored) <= 1e-6 * np.linalg.norm(truth)
    field, driver, start = problem(jnp.float32)
    end = ees.solve(field, ees.EES25(), driver, start)
    rebuilt = ees.reverse(field, ees.EES25(), driver, end.state).ys[0]
    assert jnp.abs(rebuilt - start).max() > 1e8
    assert not np.isfinite(found(ees.ReversibleHeun(), jnp.float32, ees.Reversible())).any()


def test_exactly_so_many_steps_are_taken_in_single_precision_for_every_number():
    # y' = 1/h: the end is the number of steps.
    @eqx.filter_jit
    def counted(steps):
        clock = ees.Clock(0.0, 0.7, steps, dtype=jnp.float32)
        field = ees.ODE(lambda t, y: 1 / clock.dt + 0 * y)
        found = ees.solve(field, ees.Euler(), clock, jnp.zeros((), jnp.float32))
        return found.ys[0], found.evaluations, found.ts[0]

    for steps in (*range(1, 120), 1001, 4999, 5001, 19998, 20000, 100_003):
        end, evaluations, last = counted(jnp.asarray(steps))
        assert float(end) == pytest.approx(steps, rel=2e-3 if steps > 9999 else 1e-4, abs=0.4)
        assert int(evaluations) == steps and float(last) == pytest.approx(0.7, rel=2e-7)


def _training(adjoint):
    traces = []

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def step(field, start, key, t1, steps):
        traces.append(1)
        driver = ees.Brownian(key, 0.0, t1, steps, (PATHS, DIM), dtype=start.dtype)
        end = ees.solve(field, ees.EES25(), driver, start, adjoint=adjoint).ys[0]
        return jnp.mean(jnp.sum(end**2, axis=-1))

    return step, traces


def test_nothing_compiles_again_and_no_increment_is_drawn_twice(compilations):
    step, traces = _training(ees.Reversible())
    field, start = _problem(jnp.float64)
    lowered = step.lower(field, start, jr.key(0), jnp.asarray(1.0), jnp.asarray(20))
    text = lowered.compile().compiled.as_text()
    # One logarithm for a draw: each way, one before the loop and one in it. Drawn where it is
    # used, there would be one for every consumer.
    assert len(re.findall(r" log-plus-one\(", text)) == 4
    step(field, start, jr.key(0), jnp.asarray(1.0), jnp.asarray(20))
    other = jtu.tree_map(lambda leaf: 1.01 * leaf, field)
    others = [(jr.key(seed), jnp.asarray(0.5 * seed), jnp.asarray(7**seed)) for seed in (1, 2, 3)]
    with compilations() as found:
        for key, t1, steps in others:
            step(other, start, key, t1, steps)
    assert not found and len(traces) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_python_numbers_compile_nothing_new_outside_of_jit(seed, compilations):
    field, start = _problem(jnp.float64)

    def end(t1, steps):
        driver = ees.Brownian(jr.key(seed), 0.0, t1, steps, (PATHS, DIM))
        return ees.solve(field, ees.EES25(), driver, start, save=3).ys

    end(1.0, 10)
    with compilations() as found:
        for t1, steps in ((2.0, 11), (0.3, 500)):
            end(t1, steps)
    assert not found


@pytest.mark.parametrize("save", ["end", "all"])
def test_loops_know_a_number_of_steps_that_the_compiler_knows(save):
    """So that a GPU need not ask the host after every step whether there is another."""
    field, start = _problem(jnp.float64)

    def loss(field, start):
        driver = ees.Brownian(jr.key(0), 0.0, 1.0, 50, (PATHS, DIM))
        adjoint = ees.Reversible()
        return jnp.sum(ees.solve(field, ees.EES25(), driver, start, adjoint=adjoint, save=save).ys)

    for wanted, loops in ((loss, 1), (jax.grad(loss), 2)):
        text = jax.jit(wanted).lower(field, start).compile().as_text()
        assert len(re.findall(r" while\(", text)) == loops
        assert len(re.findall(r'known_trip_count":{"n":"50"', text)) == loops


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["float32", "float64"])
def test_a_graphics_processor_gives_the_solution_and_the_gradient_of_the_cpu(dtype):
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    if not gpus:
        pytest.skip("there is no CUDA device")
    step, _ = _training(ees.Reversible())
    field, start = _problem(dtype)
    found = []
    for device in (gpus[0], jax.devices("cpu")[0]):
        # Unless it is told, a GPU multiplies matrices of float32 in fewer bits.
        with jax.default_device(device), jax.default_matmul_precision("highest"):
            arguments = field, start, jr.key(0), jnp.asarray(1.0), jnp.asarray(50)
            found.append(jtu.tree_leaves(step(*jax.device_put(arguments, device))))
    tolerance = 1e-4 if dtype == jnp.float32 else 1e-11
    for gpu, cpu in zip(*found):
        np.testing.assert_allclose(gpu, cpu, rtol=tolerance, atol=tolerance)
