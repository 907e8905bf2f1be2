"""The automatic adjoint takes what fits, says what it took, and never less than the truth."""

import jax, jax.numpy as jnp
import numpy as np
import pytest

import ees


FIELD, START = ees.ODE(lambda t, y: -(y**3)), jnp.array([1.0, 0.5, 2.0])
STATE = 3 * 8


def _clock(steps):
    return ees.Clock(0.0, 1.0, steps)


@pytest.mark.parametrize(
    "name, budget, kind, words",
    [
        ("EES25", 1000 * STATE, "StoredStates", "1000 states, 24 kB, are within the budget of 24"),
        ("EES25", 1000 * STATE - 1, "RecursiveCheckpoint", "64 states, 1.54 kB, are within"),
        ("EES25", 64 * STATE - 1, "Reversible", "antisymmetric order is at least 5"),
        ("RK4", 64 * STATE - 1, "Reversible", "antisymmetric order is at least 5"),
        ("Heun", 64 * STATE - 1, "RecursiveCheckpoint", "Heun cannot be trusted to run back"),
        ("ImplicitMidpoint", 1, "Reversible", "reversible by algebra"),
        # Its state is the solution twice and the field there.
        ("ReversibleHeun", 64 * 3 * STATE - 1, "Reversible", "reversible by algebra"),
        ("ReversibleHeun", 64 * 3 * STATE, "RecursiveCheckpoint", "64 states, 4.61 kB"),
    ],
)
def test_the_choice_is_the_fastest_that_fits_and_says_so(name, budget, kind, words):
    found = ees.Auto(budget=budget).choose(FIELD, ees.SCHEMES[name](), _clock(1000), START)
    assert type(found.chosen).__name__ == kind
    assert str(found).startswith(f"{kind}: ") and words in str(found)


def test_it_does_not_look_at_values_and_knows_the_number_of_steps_or_its_bound():
    def choice(auto):
        found = []

        def solve(y0, steps):
            found.append(auto.choose(FIELD, ees.EES25(), _clock(steps), y0))
            return ees.solve(FIELD, ees.EES25(), _clock(steps), y0, adjoint=auto).ys.sum()

        jax.eval_shape(jax.grad(solve), START, jnp.asarray(10))
        return found[0].chosen

    assert isinstance(choice(ees.Auto()), ees.Reversible)
    bounded = choice(ees.Auto(max_steps=100))
    assert isinstance(bounded, ees.StoredStates) and bounded.max_steps == 100
    assert isinstance(choice(ees.Auto(budget=30 * STATE, max_steps=100)), ees.RecursiveCheckpoint)


def test_the_gradient_is_that_of_what_was_chosen_and_the_name_is_a_short_cut():
    def gradient(adjoint):
        def loss(y0):
            return ees.solve(FIELD, ees.EES25(), _clock(50), y0, adjoint=adjoint).ys.sum()

        return jax.jit(jax.grad(loss))(START)

    np.testing.assert_array_equal(gradient("auto"), gradient(ees.StoredStates()))
    np.testing.assert_array_equal(gradient(ees.Auto(budget=1)), gradient(ees.Reversible()))
    assert str(ees.Auto()) == "Auto(budget=1.07 GB)"


def test_other_names_and_budgets_are_refused():
    with pytest.raises(ValueError, match="adjoint='fast': it must be an adjoint or \"auto\""):
        ees.solve(FIELD, ees.EES25(), _clock(5), START, adjoint="fast")
    for budget in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=f"budget={budget}: it must be a positive number"):
            ees.Auto(budget=budget)
