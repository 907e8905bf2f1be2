"""One step, and its way back: golden values, orders, and the law that every scheme obeys."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ees
from ees.schemes import Undo
from ees.schemes.implicit import ImplicitState


R = np.sqrt(2.0)
RUNGE_KUTTA = [n for n, make in ees.SCHEMES.items() if isinstance(make(), ees.RungeKutta)]
MEMBERS = {
    **{name: ees.SCHEMES[name] for name in RUNGE_KUTTA},
    "EES25(1/4)": lambda: ees.EES25(1 / 4),
    "EES25(-0.3)": lambda: ees.EES25(-0.3),
    "EES27((2-sqrt2)/4)": lambda: ees.EES27((2 - R) / 4),
    "EES27(0.2,-)": lambda: ees.EES27(0.2, -1),
}

# dy = (sin y - y^2) dt + (1/2 + 0.3 cos y) o dW from 0.5, dt = 0.1, dW = 0.25: the step, and
# the step back minus 0.5, computed in 60 digits from the tableaux of arXiv 2509.20599.
GOLDEN = {
    "EES25(1/10)": (lambda: ees.EES25(1 / 10), 0.706366548990118746, "-1.2052952e-6"),
    "EES25(1/4)": (lambda: ees.EES25(1 / 4), 0.706098203064018923, "-6.0462467e-7"),
    "EES27": (lambda: ees.EES27(), 0.706398730691589288, "+2.6614184e-10"),
    "EES27((2-sqrt2)/4)": (lambda: ees.EES27((2 - R) / 4), 0.706267935568438549, "+1.7672176e-9"),
}
ROUND_OFF = 5e-16  # a few units in the last place of 0.7


def _golden():
    field = ees.SDE(
        lambda t, y: jnp.sin(y) - y**2, lambda t, y: 0.5 + 0.3 * jnp.cos(y), ees.Diagonal()
    )
    dx = ees.Increment(jnp.asarray(0.1), jnp.array([0.25]))
    return field, jnp.asarray(0.0), jnp.array([0.5]), dx


def _half_a_digit(printed):
    """Half a unit of the last digit of a number such as "-1.205e-6"."""
    mantissa, exponent = printed.split("e")
    return 0.5 * 10.0 ** (int(exponent) - len(mantissa.split(".")[1]))


@pytest.mark.parametrize("name", GOLDEN)
def test_one_step_has_the_golden_value_to_the_last_digits(name):
    make, value, _ = GOLDEN[name]
    field, t, y0, dx = _golden()
    assert abs(float(make().step(field, t, y0, dx)[0]) - value) <= ROUND_OFF


@pytest.mark.parametrize("name", GOLDEN)
def test_the_step_back_misses_the_start_by_the_golden_defect(name):
    make, _, defect = GOLDEN[name]
    field, t, y0, dx = _golden()
    scheme = make()
    found = scheme.reverse_step(field, t, scheme.step(field, t, y0, dx), dx)[0] - y0[0]
    assert abs(float(found) - float(defect)) <= _half_a_digit(defect) + ROUND_OFF


def test_one_step_of_reversible_heun_has_the_golden_values():
    field, t, y0, dx = _golden()
    scheme = ees.ReversibleHeun()
    state = scheme.step(field, t, scheme.init(field, t, y0), dx)
    assert abs(float(state.y[0]) - 0.704988374531450544) <= ROUND_OFF
    assert abs(float(state.v[0]) - 0.713761246002198254) <= ROUND_OFF


COUPLED_GOLDEN = {
    "McCallumFoster": (0.713761246002198254, 0.696215503060702834),
    "McCallumFosterMidpoint": (0.706807705790235776, 0.706691017846975095),
}


@pytest.mark.parametrize("name", COUPLED_GOLDEN)
def test_one_step_of_mccallum_foster_has_the_golden_values(name):
    field, t, y0, dx = _golden()
    scheme = ees.SCHEMES[name](coupling=0.99)
    state = scheme.step(field, t, scheme.init(field, t, y0), dx)
    assert abs(float(state.y[0]) - COUPLED_GOLDEN[name][0]) <= ROUND_OFF
    assert abs(float(state.v[0]) - COUPLED_GOLDEN[name][1]) <= ROUND_OFF


def test_reversible_heun_follows_its_two_equations_for_a_second_step():
    # v1 = 2 y0 - v0 + f(t0, v0) dX, y1 = y0 + (f(t0, v0) + f(t1, v1)) dX / 2; in plain NumPy.
    def f(t, y):
        return np.array([np.sin(t) * y[1], y[0] * y[1] - t])

    h, y, v, t = 0.1, np.array([0.5, -0.3]), np.array([0.5, -0.3]), 0.0
    for _ in range(3):
        v_new = 2 * y - v + h * f(t, v)
        y = y + h / 2 * (f(t, v) + f(t + h, v_new))
        v, t = v_new, t + h
    field = ees.ODE(lambda t, y: jnp.stack([jnp.sin(t) * y[1], y[0] * y[1] - t]))
    driver = ees.Clock(0.0, 0.3, 3)
    state = ees.solve(field, ees.ReversibleHeun(), driver, jnp.array([0.5, -0.3])).state
    np.testing.assert_allclose(state.y, y, rtol=0, atol=1e-15)
    np.testing.assert_allclose(state.v, v, rtol=0, atol=1e-15)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", MEMBERS)
def test_registers_and_kept_stages_are_the_step_that_the_tableau_defines(
    name, backwards, butcher_step
):
    def drift(t, y, xp=np):
        return xp.stack([xp.sin(y[1]) + t, y[0] * y[1] - t**2])

    def diffusion(t, y, xp=np):
        return xp.stack([0.4 + 0.2 * y[1] ** 2, xp.cos(y[0] + t)])

    scheme = MEMBERS[name]()
    t, y, dt, dw = 0.7, np.array([0.5, -0.3]), 0.2, np.array([0.3, -0.25])
    field = ees.SDE(
        lambda t, y: drift(t, y, jnp), lambda t, y: diffusion(t, y, jnp), ees.Diagonal()
    )
    dx = ees.Increment(jnp.asarray(dt), jnp.asarray(dw))
    if backwards:
        wanted = butcher_step(scheme.tableau, drift, diffusion, t + dt, y, -dt, -dw)
    else:
        wanted = butcher_step(scheme.tableau, drift, diffusion, t, y, dt, dw)
    kept = eqx.tree_at(lambda s: s._moves, scheme, None, is_leaf=lambda x: x is None)
    tolerance = 2e-15 * max(1.0, np.abs(scheme.tableau.a).max(), np.abs(scheme.tableau.b).max())
    for version in (scheme, kept):
        go = version.reverse_step if backwards else version.step
        found = go(field, jnp.asarray(t), jnp.asarray(y), dx)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


def test_a_scheme_runs_as_moves_unless_round_off_would_grow_and_with_a_2n_form_keeps_two_states():
    for make in (ees.EES25, ees.EES27, ees.Euler, ees.Heun, ees.Midpoint, ees.Ralston):
        assert all(len(row) <= 1 for row in make()._moves.earlier)
    for make in (ees.RK4, ees.Kutta3, ees.Heun3):
        assert max(len(row) for row in make()._moves.earlier) > 1
    assert ees.Ralston4()._moves is None
    assert ees.EES25(-0.6)._moves is None


def test_a_tableau_that_skips_an_evaluation_runs_all_the_same():
    # The pair of Bogacki and Shampine begins a step with the last evaluation of the one before.
    table = ees.Tableau(
        [[0, 0, 0, 0], [1 / 2, 0, 0, 0], [0, 3 / 4, 0, 0], [2 / 9, 1 / 3, 4 / 9, 0]],
        [2 / 9, 1 / 3, 4 / 9, 0],
    )
    assert ees.tableau.moves(table) is None
    found = ees.solve(
        ees.ODE(lambda t, y: -y), ees.RungeKutta(table), ees.Clock(0.0, 1.0, 1), jnp.ones(())
    ).ys[-1]
    np.testing.assert_allclose(found, 1 - 1 + 1 / 2 - 1 / 6, rtol=0, atol=1e-15)


class Counted(eqx.Module):
    """A drift that counts how often it is evaluated when the program runs."""

    rate: jax.Array
    calls: list = eqx.field(static=True)

    def __call__(self, t, y):
        jax.debug.callback(lambda: self.calls.append(1))
        return -self.rate * y * (1 + 0.1 * y) + t


class Calls(list):
    """A list that a compiled program can be told apart by."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_evaluations_are_the_times_that_the_field_is_evaluated_in_a_step(name):
    calls = Calls()
    field, scheme = ees.ODE(Counted(jnp.ones(()), calls)), ees.SCHEMES[name]()
    t, dx = jnp.asarray(0.0), ees.Increment(jnp.asarray(0.1))
    state = scheme.init(field, t, jnp.ones(2))
    for move in (scheme.step, scheme.reverse_step):
        jax.effects_barrier()
        calls.clear()
        after = move(field, t, state, dx)
        jax.effects_barrier()
        assert len(calls) == int(scheme.spent(state, after, 1)) <= scheme.evaluations
        state = after


COUNTED = ("EES25", "EES27", "RK4", "ReversibleHeun", "McCallumFoster", "AsynchronousLeapfrog")


@pytest.mark.parametrize("name", [*COUNTED, "ImplicitMidpoint"])
def test_backward_evaluations_are_the_times_that_a_reversible_backward_pass_evaluates(name):
    calls, scheme = Calls(), ees.SCHEMES[name]()

    def loss(drift, driver):
        solution = ees.solve(ees.ODE(drift), scheme, driver, jnp.ones(2), adjoint=ees.Reversible())
        return jnp.sum(solution.ys), solution.evaluations

    gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))

    def count(steps):
        jax.effects_barrier()
        calls.clear()
        driver = ees.Clock(0.0, 0.1 * steps, jnp.asarray(steps))
        (_, forwards), _ = gradient(Counted(jnp.ones(()), calls), driver)
        jax.effects_barrier()
        return len(calls), int(forwards)

    (few, few_forwards), (many, many_forwards) = count(3), count(8)
    backwards = (many - few - (many_forwards - few_forwards)) / 5
    if name == "ImplicitMidpoint":
        assert backwards <= scheme.backward_evaluations
    else:
        assert backwards == scheme.backward_evaluations
    known = {"EES25": 5, "EES27": 7, "ReversibleHeun": 2, "McCallumFoster": 4}
    assert scheme.backward_evaluations == known.get(name, scheme.backward_evaluations)


class Swirl(ees.AbstractField):
    """A drift and two noises whose flows do not commute; the drift feels the time."""

    def coefficients(self, t, y):
        a, b = y[0], y[1]
        drift = jnp.stack([jnp.sin(2 * b) + t, a * b - jnp.cos(a + t)])
        return drift, jnp.stack([jnp.cos(b), jnp.sin(a)]), jnp.stack([a * b, jnp.cos(a)])

    def contract(self, coefficients, dx):
        drift, first, second = coefficients
        noise = 0.0 if isinstance(dx.dw, tuple) else first * dx.dw[0] + second * dx.dw[1]
        return drift * dx.dt + noise

    def noise_shape(self, t, y):
        return (2,)


# From one start the leading term of the error may pass through zero; from sixteen it does not.
STARTS = np.random.default_rng(0).uniform(-1, 1, (16, 2))
ROUND_OFF_OF_ALL = 30 * np.finfo(float).eps


def _there_and_back(scheme, increments):
    field, t = Swirl(), jnp.asarray(0.3)

    @jax.jit
    def defect(dx):
        def one(y):
            return scheme.reverse_step(field, t, scheme.step(field, t, y, dx), dx) - y

        return jnp.linalg.norm(jax.vmap(one)(jnp.asarray(STARTS)))

    return np.array([float(defect(dx)) for dx in increments])


SLOPES = {"EES25": 6, "EES27": 8, "Euler": 2, "Heun": 4, "Midpoint": 4, "RK4": 6}


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_a_step_there_and_back_errs_at_one_order_above_the_antisymmetric_order(name, slope):
    scheme = ees.SCHEMES[name]()
    order = ees.antisymmetric_order(scheme)
    # Small enough for the leading term, large enough to stay clear of round-off.
    hs = 2.0 ** -np.linspace(4, 5, 9)
    errors = _there_and_back(scheme, [ees.Increment(jnp.asarray(h)) for h in hs])
    assert errors.min() > ROUND_OFF_OF_ALL
    found = slope(hs, errors)
    assert abs(found - (order + 1)) < 0.2
    assert abs(found - SLOPES.get(name, order + 1)) < 0.2


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_along_a_brownian_like_increment_the_error_has_half_that_slope(name, slope):
    # dX = (h, 1.6 sqrt h, -1.2 sqrt h): every field but the drift is of size sqrt h.
    scheme = ees.SCHEMES[name]()
    order = ees.antisymmetric_order(scheme)
    hs = 2.0 ** -np.linspace(7, 10, 9)
    errors = _there_and_back(
        scheme,
        [ees.Increment(jnp.asarray(h), jnp.sqrt(h) * jnp.array([1.6, -1.2])) for h in hs],
    )
    assert errors.min() > ROUND_OFF_OF_ALL
    assert abs(slope(hs, errors) - (order + 1) / 2) < 0.1


def _undone(state):
    """What a step back has to give back: all of a state but the account of what it took."""
    return state.y if isinstance(state, ImplicitState) else state


@pytest.mark.parametrize("name", [n for n in ees.SCHEMES if ees.SCHEMES[n]().algebraic])
@pytest.mark.parametrize("noise", ["ode", "additive", "scalar", "diagonal", "general"])
def test_algebraically_reversible_schemes_come_back_over_many_steps(problem, name, noise):
    # McCallum-Foster divides by its coupling at each step back: round-off grows by 0.99^-200.
    field, driver, y0 = problem(noise, 200, t1=2.0)
    scheme = ees.SCHEMES[name]()
    there = ees.solve(field, scheme, driver, y0)
    start = scheme.init(field, driver.time(0), y0)
    back = ees.reverse(field, scheme, driver, there.state)
    assert float(jnp.abs(there.ys[0] - y0).max()) > 0.1
    for found, wanted in zip(*map(jax.tree.leaves, map(_undone, (back.state, start)))):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_undo_is_the_step_back_and_undoing_it_is_the_step(problem, name):
    field, driver, y0 = problem("diagonal", 8)
    scheme = ees.SCHEMES[name]()
    t, dx = driver.time(2), driver.increment(2)
    undo, end = Undo(scheme), t + dx.dt
    state = scheme.step(field, t, scheme.init(field, t, y0), dx)
    back = undo.step(field, end, state, -dx)
    wanted = scheme.reverse_step(field, t, state, dx)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(wanted)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)
    again = undo.reverse_step(field, end, back, -dx)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(scheme.step(field, t, back, dx))):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)
    assert scheme.name in undo.name and undo.evaluations == scheme.evaluations


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_a_float32_step_stays_float32(problem, name):
    field, driver, y0 = problem("diagonal", 8, dtype=jnp.float32)
    scheme = ees.SCHEMES[name]()
    state = scheme.init(field, driver.time(0), y0)
    state = scheme.step(field, driver.time(0), state, driver.increment(0))
    state = scheme.reverse_step(field, driver.time(0), state, driver.increment(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_a_step_on_a_tree_is_the_step_on_its_entries_in_a_row(name):
    def drift(t, y):
        return {"a": jnp.sin(y["b"][:1]) - t, "b": y["a"] * y["b"]}

    tree = {"a": jnp.array([0.4]), "b": jnp.array([0.2, -0.7])}
    row, unravel = ravel_pytree(tree)
    flat = ees.ODE(lambda t, y: ravel_pytree(drift(t, unravel(y)))[0])
    scheme, driver = ees.SCHEMES[name](), ees.Clock(0.0, 0.4, 4)
    found = ees.solve(ees.ODE(drift), scheme, driver, tree).ys
    wanted = ees.solve(flat, scheme, driver, row).ys[0]
    found = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], found))[0]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)


# arXiv 2507.21006: inverse-square attraction from (1, 0, 0, 1), t from 0 to 10 in 100 steps.
KEPLER = {
    "EES25(1/4)": (lambda: ees.EES25(1 / 4), ".04923", "3.214e-5"),
    "EES25(1/10)": (lambda: ees.EES25(), ".03092", "7.864e-7"),
    "EES27((2-sqrt2)/4)": (lambda: ees.EES27((2 - R) / 4), ".02397", "2.153e-10"),
    "EES27": (lambda: ees.EES27(), ".01504", "4.954e-10"),
}


@pytest.mark.parametrize("name", KEPLER)
def test_the_published_table_of_the_inverse_square_attraction(name):
    make, at_the_end, at_the_start = KEPLER[name]
    field = ees.MODELS["kepler"]().field
    y0, driver = jnp.array([1.0, 0.0, 0.0, 1.0]), ees.Clock(0.0, 10.0, 100)
    end = ees.solve(field, make(), driver, y0).ys[0]
    exact = np.array([np.cos(10), np.sin(10), -np.sin(10), np.cos(10)])
    assert f"{np.linalg.norm(end - exact):.5f}".lstrip("0") == at_the_end
    recovered = ees.reconstruction(field, make(), driver, y0).error[0]
    # Half a unit in the last digit printed, and the round-off of 200 steps of size 1.
    half_a_digit = _half_a_digit(at_the_start)
    assert abs(float(recovered) - float(at_the_start)) <= half_a_digit + 3e-13


def test_a_tableau_must_be_one():
    with pytest.raises(ValueError, match=r"tableau=\[\[0\]\]: it must be an ees.Tableau"):
        ees.RungeKutta([[0]])
