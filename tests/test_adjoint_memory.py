"""The memory of a gradient, by XLA's account: what each adjoint promises, to the byte."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import pytest

import ees
from tests.benchmarks.jax_programs import Program
from tests.benchmarks.ours import CONTESTANTS
from tests.benchmarks.plan import neural


OPTIMISED = True
STATE = 16 * 8 * 8  # bytes


class Layer(eqx.Module):
    weights: jax.Array

    def __call__(self, t, y):
        return jnp.tanh(y @ self.weights)


def temporary_bytes(steps, adjoint, *, traced=False, save="end", watched=False):
    """What XLA sets aside for a gradient, beside its inputs and outputs."""
    y0, key = jnp.ones((16, 8)), jr.key(0)

    def loss(wanted, adjoint, n):
        weights, y0 = wanted
        field = ees.SDE(Layer(weights), lambda t, y: jnp.cos(y), ees.Diagonal())
        driver = ees.Brownian(key, 0.0, 1.0, n if traced else steps, y0.shape)
        ys = ees.solve(field, ees.EES25(), driver, y0, adjoint=adjoint, save=save).ys
        return jnp.sum(ys**2)

    def evaluate(weights, y0, n):
        if watched:
            return ees.value_gradient_and_defect(loss, adjoint)((weights, y0), n)
        return eqx.filter_value_and_grad(loss)((weights, y0), adjoint, n)

    lowered = jax.jit(evaluate).lower(jnp.eye(8), y0, jnp.asarray(steps, jnp.int32))
    return _bytes(lowered)


def _bytes(lowered):
    # The emitters too, which the other tests do without.
    compiled = lowered.compile(compiler_options={"xla_cpu_use_fusion_emitters": True})
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("save", ["end", 17])
@pytest.mark.parametrize("traced", [False, True], ids=["known", "traced"])
def test_the_reversible_gradient_takes_the_same_memory_for_any_number_of_steps(traced, save):
    few, many = (
        temporary_bytes(n, ees.Reversible(), traced=traced, save=save) for n in (50, 50_000)
    )
    assert few == many < (30 if save == "end" else 50) * STATE


def test_the_reversible_gradient_takes_at_most_twice_the_memory_of_its_bare_evaluations():
    sizes = {}
    for name in ("floor", "EES25 + Reversible"):
        program = Program(CONTESTANTS[name], neural(50), "gradient")
        sizes[name] = _bytes(jax.jit(program.function).lower(program.inputs))
    assert sizes["EES25 + Reversible"] <= 2 * sizes["floor"]


def test_nor_does_asking_for_the_defect_take_more_with_the_steps():
    few, many = (temporary_bytes(n, ees.Reversible(), watched=True) for n in (50, 50_000))
    assert few == many < 30 * STATE


def test_the_continuous_gradient_takes_the_same_memory_for_any_number_of_steps():
    few, many = (temporary_bytes(n, ees.Continuous()) for n in (50, 50_000))
    assert few == many < 30 * STATE


@pytest.mark.parametrize("adjoint", [ees.FullBackprop, ees.StoredStates, ees.RecursiveCheckpoint])
def test_the_memory_of_the_exact_adjoints_grows_as_they_say(adjoint):
    small, large = (temporary_bytes(n, adjoint()) for n in (1024, 4096))
    if adjoint is ees.RecursiveCheckpoint:
        # From 2 * 32 to 2 * 64 states.
        assert large - small == 2 * (64 - 32) * STATE
    elif adjoint is ees.StoredStates:
        assert large - small == (4096 - 1024) * STATE
    else:
        # Every intermediate result of every stage.
        assert large - small > 10 * (4096 - 1024) * STATE


def test_the_memory_of_checkpoints_is_the_states_that_are_kept():
    plain = temporary_bytes(6000, ees.Reversible())
    for k in (1, 100):
        grown = temporary_bytes(6000, ees.Reversible(k)) - plain
        assert abs(grown - 6000 // k * STATE) < 12 * STATE
    assert temporary_bytes(50, ees.Reversible(50)) == plain
