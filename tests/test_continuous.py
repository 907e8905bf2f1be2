"""The continuous adjoint: a gradient discretised, not the gradient of a discretisation."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ees


def wave(wanted, adjoint, scheme, save):
    """A loss that weighs every saved entry differently."""
    field, driver, y0 = wanted
    ys = ees.solve(field, scheme, driver, y0, adjoint=adjoint, save=save).ys
    ys = ravel_pytree(ys)[0]
    return jnp.sum(jnp.sin(jnp.arange(1.0, 1 + ys.size, dtype=ys.dtype) * ys))


@eqx.filter_jit
def gradients(field, driver, y0, scheme, save, max_steps):
    """By the field, the driver and the start: the continuous ones and the discrete ones."""

    def by(adjoint):
        found = eqx.filter_grad(wave)((field, driver, y0), adjoint, scheme, save)
        return [ravel_pytree(part)[0] for part in found]

    return by(ees.Continuous()), by(ees.StoredStates(max_steps))


def relative(found, wanted):
    return float(jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted))


def order_of(scheme):
    """Of Runge-Kutta schemes from the tableau; of others a lower bound."""
    if isinstance(scheme, ees.RungeKutta):
        return ees.order(scheme)
    return 2 if isinstance(scheme, ees.ReversibleHeun) else 1


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_on_an_ode_it_nears_the_discrete_gradient_with_the_order_of_the_scheme(
    problem, slope, name
):
    field, driver, y0 = problem("ode", 16)
    scheme = ees.SCHEMES[name]()
    counts = np.array([16, 32, 64])
    errors = []
    for steps in counts:
        at = driver.with_steps(jnp.asarray(steps))
        found, wanted = gradients(field, at, y0, scheme, 3, 64)
        parts = [relative(a, b) for a, b in zip(found, wanted)]
        # Together: the error of one part alone may pass through zero on its way down.
        errors.append(np.linalg.norm(parts))
    assert max(parts) < 0.02
    if max(errors) < 1e-11:
        # A symplectic scheme solves the adjoint equation of its own discrete solution.
        return
    found = slope(1 / counts, errors)
    assert found > order_of(scheme) - 0.25
    if name in ("EES25", "EES27", "Euler", "Midpoint", "RK4"):
        # Not better either, as for Heun and Reversible Heun, whose first terms cancel.
        assert found < order_of(scheme) + 0.25


@pytest.mark.parametrize("noise, name", [("diagonal", "EES25"), ("additive", "ReversibleHeun")])
def test_along_a_brownian_path_it_converges_to_the_discrete_gradient(problem, slope, noise, name):
    scheme, counts = ees.SCHEMES[name](), np.array([16, 64, 256])

    @jax.jit
    def errors(steps):
        def one(seed):
            field, driver, y0 = problem(noise, 256, seed=seed)
            found, wanted = gradients(field, driver.with_steps(steps), y0, scheme, 3, 256)
            return jnp.array([jnp.sum((found[i] - wanted[i]) ** 2) for i in (0, 2)])

        return jnp.sqrt(jnp.mean(jax.lax.map(one, jnp.arange(12)), axis=0))

    for part in np.array([errors(n) for n in counts]).T:
        # Both noises commute: the strong order is 1, and 1.5 on average where it is additive.
        assert 0.7 < slope(1 / counts, part) < (1.6 if noise == "diagonal" else 2.5)


class Growth(eqx.Module):
    rate: jax.Array

    def __call__(self, t, y):
        return self.rate * y


@pytest.mark.parametrize("noise", ["additive", "scalar", "diagonal", "general"])
def test_the_implicit_midpoint_rule_finds_the_derivatives_by_a_short_path(problem, noise):
    # By every point of the path at once it solves for as many unknowns: tests/test_matrix.py
    # has longer paths, and leaves this part out.
    field, driver, y0 = problem(noise, 4)
    found, wanted = gradients(field, driver, y0, ees.ImplicitMidpoint(), 3, 4)
    assert len(found) == 3 and found[1].size > 2
    for part, right in zip(found, wanted):
        assert relative(part, right) < 1e-10


def test_it_approximates_the_gradient_of_the_exact_solution(slope):
    # y = y0 e^(w t): the derivatives of y(T) by w, T and y0 in closed form.
    w, horizon, y0 = 0.7, 1.5, 1.2

    def end(wanted, steps):
        w, horizon, y0 = wanted
        driver = ees.Clock(0.0, horizon, steps)
        return ees.solve(ees.ODE(Growth(w)), ees.RK4(), driver, y0, adjoint=ees.Continuous()).ys[0]

    exact = np.exp(w * horizon) * np.array([horizon * y0, w * y0, 1.0])
    counts = np.array([8, 16, 32])
    by = jax.jit(jax.grad(end))
    found = np.array([by((w, horizon, y0), n) for n in counts])
    for error in np.abs(found - exact).T:
        assert abs(slope(1 / counts, error) - 4) < 0.15


@pytest.mark.parametrize("noise, save", [("ode", 5), ("diagonal", "all")])
def test_the_adjoint_jumps_at_every_saved_time(problem, noise, save):
    # RK4 in so many steps is exact to the tolerance; a missing jump would be an error of order 1.
    field, driver, y0 = problem(noise, 96, t1=0.25)
    found, wanted = gradients(field, driver, y0, ees.RK4(), save, 96)
    for a, b in zip(found[::2], wanted[::2]):
        assert relative(a, b) < (1e-9 if noise == "ode" else 1e-4)


class Pull(eqx.Module):
    rate: jax.Array

    def __call__(self, t, y):
        return self.rate * (y - jnp.sin(3 * t))


def test_saved_values_keep_the_way_back_on_course():
    # Contracting at rate 40: the way back magnifies round-off by e^40, a quarter of it by e^10.
    wanted = ees.ODE(Pull(jnp.array([-40.0]))), ees.Clock(0.0, 1.0, 1000), jnp.array([1.0])
    found, exact = gradients(*wanted, ees.EES25(), 5, 1000)
    rebuilt = eqx.filter_jit(eqx.filter_grad(wave))(wanted, ees.Reversible(), ees.EES25(), 5)
    assert relative(found[0], exact[0]) < 1e-3
    assert relative(rebuilt[0].drift.rate, exact[0]) > 1.0


def test_it_is_not_the_gradient_of_the_discrete_solution(problem):
    field, driver, y0 = problem("ode", 8)
    wanted, scheme = (field, driver, y0), ees.ReversibleHeun()
    adjoints = ees.FullBackprop(), ees.Reversible(), ees.Continuous()
    exact, reversible, continuous = (
        ravel_pytree(eqx.filter_grad(wave)(wanted, adjoint, scheme, "end"))[0]
        for adjoint in adjoints
    )
    assert relative(reversible, exact) < 1e-13
    assert 1e-5 < relative(continuous, exact) < 0.1


@pytest.mark.parametrize("name", ["EES25", "ReversibleHeun"])
def test_the_way_back_is_differentiated_as_well(problem, name):
    field, driver, y0 = problem("ode", 64)
    scheme = ees.SCHEMES[name]()
    state = ees.solve(field, scheme, driver, y0).state

    def start(state, adjoint):
        return jnp.sum(jnp.sin(ees.reverse(field, scheme, driver, state, adjoint=adjoint).ys))

    by = eqx.filter_jit(jax.grad(start))
    found, wanted = by(state, ees.Continuous()), by(state, ees.StoredStates())
    if name == "ReversibleHeun":
        # In the limit its two solutions are one: only the sum of the derivatives is defined.
        found, wanted = found.y + found.v, wanted.y + wanted.v
    assert relative(found, wanted) < (1e-4 if name == "EES25" else 2e-2)


def test_a_loss_on_the_whole_state_at_the_end_reaches_the_parameters(problem):
    field, driver, y0 = problem("ode", 256)

    def loss(wanted, adjoint):
        field, y0 = wanted
        state = ees.solve(field, ees.ReversibleHeun(), driver, y0, adjoint=adjoint).state
        return sum(jnp.sum(jnp.cos(leaf)) for leaf in jax.tree.leaves(state))

    by = eqx.filter_jit(eqx.filter_grad(loss))
    adjoints = ees.Continuous(), ees.StoredStates()
    found, wanted = (ravel_pytree(by((field, y0), adjoint))[0] for adjoint in adjoints)
    assert relative(found, wanted) < 1e-3


def test_states_may_be_trees_and_float32_stays_float32():
    class Drift(eqx.Module):
        rate: jax.Array

        def __call__(self, t, y):
            return {"q": self.rate * y["p"][0], "p": (-y["q"], -jnp.sin(y["p"][1]) * t)}

    field = ees.ODE(Drift(jnp.asarray(1.3, jnp.float32)))
    y0 = {"q": jnp.ones(2), "p": (jnp.zeros(2), jnp.ones(()))}
    y0 = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), y0)
    driver = ees.Clock(0.0, 1.0, 32, dtype=jnp.float32)
    found, wanted = gradients(field, driver, y0, ees.EES25(), 3, 32)
    for a, b in zip(found, wanted):
        assert a.dtype == jnp.float32 and relative(a, b) < 1e-3


def test_the_schemes_own_coefficients_have_no_derivative(problem):
    field, driver, y0 = problem("ode", 8)

    def end(scheme):
        return jnp.sum(ees.solve(field, scheme, driver, y0, adjoint=ees.Continuous()).ys)

    scheme = jax.tree.map(jnp.asarray, ees.EES25())
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(eqx.filter_grad(end)(scheme)))
