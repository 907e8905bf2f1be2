"""Every adjoint gives the gradient of the discrete solution; test_matrix.py does for each scheme."""

from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees


# Name -> the adjoint with room for so many steps.
ADJOINTS = {
    "FullBackprop": ees.FullBackprop,
    "StoredStates": ees.StoredStates,
    "RecursiveCheckpoint": ees.RecursiveCheckpoint,
    "Reversible": lambda max_steps: ees.Reversible(),
}
EXACT = [name for name in ADJOINTS if name != "Reversible"]


def _loss(ys):
    """Feels every entry, each with another weight."""
    weights = jnp.cos(1 + jnp.arange(ys.size, dtype=ys.dtype)).reshape(ys.shape)
    return jnp.sum(jnp.sin(2 * ys) * weights)


def _gradient(scheme, adjoint, save="end", steps=None):
    """`(field, driver, y0) -> (value, gradient)` of the loss of the saved values."""

    @eqx.filter_value_and_grad
    def loss(parts):
        field, driver, y0 = parts
        if steps is not None:
            driver = driver.with_steps(steps)
        solution = ees.solve(field, scheme, driver, y0, adjoint=adjoint, save=save)
        return _loss(solution.ys)

    return loss


def _flat(gradient):
    """A gradient as one float64 vector; PRNG keys and step counts have none."""
    return np.concatenate([np.ravel(leaf).astype(float) for leaf in jax.tree.leaves(gradient)])


def _relative(found, wanted):
    found, wanted = _flat(found), _flat(wanted)
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def _by_hand(field, scheme, driver, y0):
    """The same loss by a Python loop over the steps, which JAX differentiates by itself."""

    @eqx.filter_jit
    def step(field, driver, state, i):
        return scheme.step(field, driver.time(i), state, driver.increment(i))

    @jax.value_and_grad
    def loss(parts):
        field, driver, y0 = eqx.combine(parts, static)
        state, values = scheme.init(field, driver.time(0), y0), [y0]
        for i in range(driver.steps):
            state = step(field, driver, state, jnp.asarray(i))
            values.append(scheme.value(state))
        return _loss(jnp.stack(values))

    parts, static = eqx.partition((field, driver, y0), eqx.is_inexact_array)
    return loss(parts)


@pytest.mark.parametrize("name", ["EES25", "RK4", "ReversibleHeun"])
def test_full_backprop_is_the_gradient_of_a_plain_loop(problem, name):
    field, driver, y0 = problem("diagonal", 6)
    scheme = ees.SCHEMES[name]()
    value, gradient = _gradient(scheme, ees.FullBackprop(), "all")((field, driver, y0))
    wanted, by_hand = _by_hand(field, scheme, driver, y0)
    np.testing.assert_allclose(value, wanted, rtol=1e-14)
    assert _relative(gradient, by_hand) < 1e-14


@pytest.mark.parametrize("save", ["end", "all", 2, 5, 30])
def test_cotangents_enter_at_every_saved_time(problem, save):
    # With 12 steps, 5 points lie on steps, and 30 points meet steps twice and thrice.
    parts = problem("diagonal", 12)

    @eqx.filter_jit
    def gradients(parts):
        scheme = ees.ReversibleHeun()
        return {k: _gradient(scheme, make(12), save)(parts)[1] for k, make in ADJOINTS.items()}

    found = gradients(parts)
    for adjoint in ADJOINTS:
        assert _relative(found[adjoint], found["FullBackprop"]) < 1e-12, adjoint


def test_the_gradient_of_the_final_state_is_that_of_the_final_value(problem):
    field, driver, y0 = problem("diagonal", 9)

    def loss(y0, adjoint):
        solution = ees.solve(field, ees.ReversibleHeun(), driver, y0, adjoint=adjoint)
        return jnp.sum(jnp.sin(solution.state.v)) + jnp.sum(solution.state.y**2)

    wanted = jax.grad(loss)(y0, ees.FullBackprop())
    for make in ADJOINTS.values():
        np.testing.assert_allclose(jax.grad(loss)(y0, make(9)), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["EES25", "ReversibleHeun"])
def test_a_solve_and_its_way_back_can_be_differentiated_together(problem, name):
    # Back at the start by way of `reverse`, with every adjoint: y0 again, up to the defect.
    field, driver, y0 = problem("diagonal", 10)
    scheme = ees.SCHEMES[name]()

    @eqx.filter_jit
    def jacobians(y0):
        def there_and_back(y0, adjoint):
            end = ees.solve(field, scheme, driver, y0, adjoint=ees.FullBackprop()).state
            return ees.reverse(field, scheme, driver, end, adjoint=adjoint).ys[0]

        return {k: jax.jacrev(there_and_back)(y0, make(10)) for k, make in ADJOINTS.items()}

    found = jacobians(y0)
    # The reverse adjoint of a Runge-Kutta scheme is off by about the defect of its ten steps.
    bound = {**dict.fromkeys(EXACT, 1e-12), "Reversible": 1e-12 if scheme.algebraic else 1e-4}
    for adjoint in ADJOINTS:
        error = np.abs(found[adjoint] - found["FullBackprop"]).max()
        assert error < bound[adjoint], adjoint


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_under_vmap_each_path_has_the_gradient_that_it_has_alone(problem, adjoint):
    field, _, y0 = problem("diagonal", 12)
    keys, starts = jr.split(jr.key(3), 3), y0 + jnp.arange(3.0)[:, None] / 10

    @jax.jit
    def gradient(key, y0):
        driver = ees.Brownian(key, 0.0, 1.0, 12, (2,))
        return _gradient(ees.EES25(), ADJOINTS[adjoint](12), 4)((field, driver, y0))[1][::2]

    together = jax.vmap(gradient)(keys, starts)
    for i in range(3):
        alone = gradient(keys[i], starts[i])
        assert _relative(jax.tree.map(lambda leaf: leaf[i], together), alone) < 1e-13


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_a_traced_number_of_steps_gives_the_gradient_of_a_known_one(problem, adjoint):
    # Up to the bound itself, and down to one step; 36 is no square.
    parts = problem("diagonal", 36, lattice=36)
    traced = eqx.filter_jit(
        lambda parts, n: _gradient(ees.ReversibleHeun(), ADJOINTS[adjoint](36), 5, steps=n)(parts)
    )
    for steps in (1, 4, 12, 36):
        value, found = traced(parts, jnp.asarray(steps))
        fixed = parts[0], parts[1].with_steps(steps), parts[2]
        exact, wanted = _gradient(ees.ReversibleHeun(), ees.FullBackprop(), 5)(fixed)
        np.testing.assert_allclose(value, exact, rtol=1e-13)
        assert _relative(found, wanted) < 1e-12


@pytest.mark.parametrize("adjoint", EXACT)
def test_a_traced_number_of_steps_without_a_bound_is_refused(problem, adjoint):
    parts = problem("ode", 4)
    with pytest.raises(ValueError, match=rf"adjoint={adjoint}\(\): .* give {adjoint}\(max_steps="):
        jax.jit(lambda n: _gradient(ees.Heun(), ADJOINTS[adjoint](None), steps=n)(parts)[0])(4)


class Counted(eqx.Module):
    """One layer, which reports each time that it is traced."""

    weights: jax.Array
    report: Callable = eqx.field(static=True, default=lambda t: None)

    def __call__(self, t, y):
        self.report(t)
        return jnp.tanh(self.weights @ y)


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_nothing_compiles_again_for_other_steps_times_seeds_or_parameters(adjoint, compilations):
    traces = []

    @eqx.filter_jit
    def gradient(weights, y0, key, t1, steps):
        driver = ees.Brownian(key, 0.0, t1, steps, (2,))

        def loss(parts):
            weights, y0 = parts
            field = ees.SDE(Counted(weights, traces.append), lambda t, y: 0.1 * y, ees.Diagonal())
            how = ADJOINTS[adjoint](40)
            return jnp.sum(ees.solve(field, ees.EES25(), driver, y0, adjoint=how, save=3).ys ** 2)

        return jax.grad(loss)((weights, y0))

    def ask(weight, y0, seed, t1, steps):
        weights = np.full((2, 2), weight)
        found = gradient(weights, np.full(2, y0), jr.key(seed), np.float64(t1), np.int32(steps))
        return float(np.asarray(found[1])[0])

    ask(0.3, 1.0, 0, 1.0, 8)
    before = len(traces)
    assert before > 0
    seen = set()
    with compilations() as found:
        for i, steps in enumerate((1, 2, 7, 16, 39, 40)):
            seen.add(ask(0.1 * i + 0.1, 0.5 + i, i, 1.0 + i, steps))
    assert (len(found), len(traces)) == (0, before)
    assert len(seen) == 6


@pytest.mark.parametrize("save", ["end", 4])
def test_a_solve_that_is_not_differentiated_compiles_once_for_all_python_numbers(
    save, problem, compilations
):
    field, driver, y0 = problem("diagonal", 24, lattice=24)

    def end(x, driver):
        return float(np.asarray(ees.solve(field, ees.EES25(x), driver, y0, save=save).ys)[-1, 0])

    end(0.1, driver)
    with compilations() as found:
        ends = {end(0.1, driver.with_steps(steps)) for steps in (1, 2, 3, 12, 24)}
        ends.add(end(0.3, driver))
    assert len(found) == 0
    assert len(ends) == 6
