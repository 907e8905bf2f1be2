"""`solve` and `reverse`: what they save, how they converge, what they say when it goes wrong."""

import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.solve import _marks


OPTIMISED = True  # Bits are compared.
DECAY = ees.ODE(lambda t, y: -y)
SAVES = ["end", "all", 2, 3, 5, 8, 30]


def _nearest(steps, points):
    """`points` evenly spaced step counts from 0 to `steps`, each rounded, halves up."""
    gaps = points - 1
    return [(2 * j * steps + gaps) // (2 * gaps) for j in range(points)]


@pytest.mark.parametrize("steps", [1, 7, 12])
def test_a_number_of_points_is_evenly_spaced_and_moved_to_the_nearest_steps(problem, steps):
    field, driver, y0 = problem("diagonal", steps)
    every = ees.solve(field, ees.EES25(), driver, y0, save="all")
    assert every.ys.shape == (steps + 1, 2)
    np.testing.assert_array_equal(every.ts, driver.time(jnp.arange(steps + 1)))
    np.testing.assert_array_equal(every.ys[0], y0)
    for points in (2, 3, 8, 30):
        some = ees.solve(field, ees.EES25(), driver, y0, save=points)
        index = _nearest(steps, points)
        np.testing.assert_array_equal(some.ts, every.ts[jnp.array(index)])
        np.testing.assert_allclose(some.ys, every.ys[jnp.array(index)], rtol=1e-14)
    end = ees.solve(field, ees.EES25(), driver, y0)
    np.testing.assert_array_equal(end.ts, every.ts[-1:])
    np.testing.assert_allclose(end.ys, every.ys[-1:], rtol=1e-14)


@pytest.mark.parametrize("save", SAVES)
def test_times_and_values_have_a_leading_axis_in_every_mode(save):
    y0 = {"a": jnp.ones(3), "b": jnp.ones((2, 2))}
    field = ees.ODE(lambda t, y: jax.tree.map(jnp.negative, y))
    solution = ees.solve(field, ees.Heun(), ees.Clock(1.0, 2.0, 6), y0, save=save)
    saved = {"end": 1, "all": 7}.get(save, save)
    assert solution.ts.shape == (saved,)
    assert solution.ys["a"].shape == (saved, 3) and solution.ys["b"].shape == (saved, 2, 2)
    assert float(solution.ts[-1]) == 2.0
    assert save == "end" or float(solution.ts[0]) == 1.0


def test_the_saved_steps_are_right_up_to_the_largest_numbers_of_steps():
    for steps in (1, 3, 32766, 32767, 10**9 + 7, 2**31 - 2):
        for points in (2, 3, 1001, 32768):
            found = _marks(points, jnp.asarray(steps, jnp.int32), False, None).index
            assert found.dtype == jnp.int32
            np.testing.assert_array_equal(found, _nearest(steps, points))


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_evaluations_are_those_of_the_scheme_for_every_step(name):
    scheme = ees.SCHEMES[name]()
    solution = ees.solve(DECAY, scheme, ees.Clock(0.0, 1.0, 11), jnp.ones(2))
    # A linear equation takes one Newton step, beside an evaluation at either end.
    each = 3 if name == "ImplicitMidpoint" else scheme.evaluations
    assert int(solution.evaluations) == 11 * each


@pytest.mark.parametrize("adjoint", [ees.FullBackprop(), ees.StoredStates(), ees.Reversible()])
def test_the_adjoint_does_not_change_the_solution(problem, adjoint):
    field, driver, y0 = problem("diagonal", 9)
    wanted = ees.solve(field, ees.EES27(), driver, y0, save=5)
    found = ees.solve(field, ees.EES27(), driver, y0, save=5, adjoint=adjoint)
    np.testing.assert_allclose(found.ys, wanted.ys, rtol=1e-14)
    np.testing.assert_array_equal(found.ts, wanted.ts)


class Tally(ees.AbstractField):
    """Adds one to the state at every step, whatever the increment."""

    def coefficients(self, t, y):
        return jnp.ones_like(y)

    def contract(self, coefficients, dx):
        return coefficients

    def noise_shape(self, t, y):
        return None


@pytest.mark.parametrize("t1", [0.7, 1.0, 3.1])
def test_float32_takes_exactly_n_steps_for_every_n(t1):
    clock = ees.Clock(0.0, t1, 1, dtype=jnp.float32)

    @jax.jit
    @jax.vmap
    def count(n):
        solution = ees.solve(Tally(), ees.Euler(), clock.with_steps(n), jnp.zeros((), jnp.float32))
        return solution.ys[0], solution.ts[0]

    numbers = jnp.arange(1, 2001)
    taken, ends = count(numbers)
    assert taken.dtype == ends.dtype == jnp.float32
    np.testing.assert_array_equal(taken, numbers)
    np.testing.assert_allclose(ends, np.float32(t1), rtol=2e-7)


ORDERS = {"Euler": 1, "Heun": 2, "Kutta3": 3, "RK4": 4, "Ralston4": 4, "EES25": 2, "EES27": 2}
COUNTS = (40, 60, 90, 130)


# McCallum-Foster keeps the order of its base where the step is far below 1 - coupling.
@pytest.mark.parametrize("name", [name for name in ees.SCHEMES if name != "McCallumFoster"])
def test_the_error_on_an_ode_falls_with_the_order_of_the_scheme(name, slope):
    # dy/dt = (1 + y^2) cos(t) / 2, solved by tan(sin(t) / 2).
    field = ees.ODE(lambda t, y: 0.5 * (1 + y**2) * jnp.cos(t))
    scheme, clock = ees.SCHEMES[name](), ees.Clock(0.0, 2.0, 1)
    ends = [ees.solve(field, scheme, clock.with_steps(n), 0.0).ys[0] for n in COUNTS]
    errors = np.abs(np.array(ends) - np.tan(np.sin(2.0) / 2))
    # The coupled schemes and implicit midpoint are of order 2.
    order = ees.order(scheme) if isinstance(scheme, ees.RungeKutta) else 2
    found = slope([2 / n for n in COUNTS], errors)
    assert abs(found - order) < 0.2
    assert abs(found - ORDERS.get(name, order)) < 0.2


MU, SIGMA, T1, LATTICE = -0.7, 0.8, 1.0, 2520
STEPS = (14, 28, 56, 126, 252)


def _geometric(name, exponent):
    """Root mean square distance from `exp(exponent(t, W))` over 200 paths, for each step count."""
    field = ees.SDE(lambda t, y: MU * y, lambda t, y: SIGMA * y, ees.Diagonal())

    @jax.jit
    @jax.vmap
    def errors(key):
        path = ees.BrownianPath(key, 0.0, T1, 1, (1,), lattice=LATTICE)
        exact = jnp.exp(exponent(T1, path.values[-1]))

        def error(steps):
            driver = path.with_steps(steps)
            return ees.solve(field, ees.SCHEMES[name](), driver, jnp.ones(1)).ys[0] - exact

        return jax.lax.map(error, jnp.array(STEPS))

    return np.sqrt(np.mean(np.square(errors(jr.split(jr.key(5), 200))), axis=(0, 2)))


ITO = ("Euler", "McCallumFoster")


@pytest.mark.parametrize("name", [name for name in ees.SCHEMES if name not in ITO])
def test_the_path_converges_to_the_stratonovich_solution_on_the_same_noise(name, slope):
    errors = _geometric(name, lambda t, w: MU * t + SIGMA * w)
    # One noise commutes with itself: the strong order is half the order for ODEs, rounded down,
    # because the fourth power of an increment has a mean and the third has none.
    scheme = ees.SCHEMES[name]()
    order = ees.order(scheme) // 2 if isinstance(scheme, ees.RungeKutta) else 1
    assert abs(slope([T1 / n for n in STEPS], errors) - order) < 0.15
    assert errors[-1] < 0.01


def test_the_path_of_euler_converges_to_the_ito_solution_and_to_no_other(slope):
    ito = _geometric("Euler", lambda t, w: (MU - SIGMA**2 / 2) * t + SIGMA * w)
    stratonovich = _geometric("Euler", lambda t, w: MU * t + SIGMA * w)
    assert abs(slope([T1 / n for n in STEPS], ito) - 0.5) < 0.15
    assert stratonovich[-1] > 0.1


@pytest.mark.parametrize("save", ["all", 9])
def test_a_path_that_blows_up_is_a_result_and_keeps_what_came_before(save):
    # y' = y^2 from 1 has no solution beyond t = 1.
    field, driver = ees.ODE(lambda t, y: y**2), ees.Clock(0.0, 3.0, 48)
    solution = ees.solve(field, ees.RK4(), driver, jnp.ones(1), save=save)
    every = ees.solve(field, ees.RK4(), driver, jnp.ones(1), save="all")
    first = int(np.flatnonzero(~np.isfinite(every.ys[:, 0]))[0])
    assert float(solution.diverged_at) == float(driver.time(first))
    assert 1.0 < float(solution.diverged_at) < 1.5
    before = np.asarray(solution.ts) < float(solution.diverged_at)
    assert np.isfinite(np.asarray(solution.ys)[before]).all()
    assert not np.isfinite(np.asarray(solution.ys)[~before]).any()
    early = before & (np.asarray(solution.ts) <= 0.75)
    exact = 1 / (1 - np.asarray(solution.ts)[early])
    np.testing.assert_allclose(solution.ys[early, 0], exact, rtol=1e-3)


def test_a_path_that_stays_finite_diverges_at_infinity():
    solution = ees.solve(DECAY, ees.Heun(), ees.Clock(0.0, 1.0, 5), jnp.ones(1))
    assert float(solution.diverged_at) == np.inf


@pytest.mark.parametrize("adjoint", [ees.FullBackprop(), ees.RecursiveCheckpoint()])
def test_a_start_that_is_not_finite_diverges_at_the_start(adjoint):
    start = jnp.array([1.0, jnp.nan])
    solution = ees.solve(DECAY, ees.Heun(), ees.Clock(2.0, 3.0, 5), start, adjoint=adjoint)
    assert float(solution.diverged_at) == 2.0


@pytest.mark.parametrize("steps", [6, 7])
@pytest.mark.parametrize("save", SAVES)
def test_the_way_back_runs_from_the_end_to_the_start_by_the_same_times(problem, save, steps):
    field, driver, y0 = problem("diagonal", steps)
    there = ees.solve(field, ees.ReversibleHeun(), driver, y0, save=save)
    back = ees.reverse(field, ees.ReversibleHeun(), driver, there.state, save=save)
    assert back.ts.shape == there.ts.shape
    np.testing.assert_allclose(back.ts[-1], 0.0, atol=1e-15)
    np.testing.assert_allclose(back.ys[-1], y0, rtol=0, atol=1e-14)
    assert int(back.evaluations) == int(there.evaluations)
    if save != "end":
        # Where points fall between two steps, both passes are moved to the same one.
        np.testing.assert_allclose(back.ts[::-1], there.ts, rtol=0, atol=1e-15)
        np.testing.assert_allclose(back.ys[::-1], there.ys, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(back.ys[0], there.ys[-1])


def test_a_way_back_that_blows_up_says_when_it_was_met():
    # Forwards y' = -y^2 falls to zero; backwards from a wrong state it has a pole.
    field, driver = ees.ODE(lambda t, y: -(y**2)), ees.Clock(0.0, 3.0, 48)
    back = ees.reverse(field, ees.RK4(), driver, jnp.ones(1), save="all")
    first = int(np.flatnonzero(~np.isfinite(back.ys[:, 0]))[0])
    assert float(back.diverged_at) == pytest.approx(3.0 - 3.0 * first / 48)
    assert 1.5 < float(back.diverged_at) < 2.0


@pytest.mark.parametrize("y0", [1, 1.0, np.float64(1), np.int32(1), jnp.asarray(1)])
def test_a_start_may_be_any_kind_of_number(y0):
    solution = ees.solve(DECAY, ees.RK4(), ees.Clock(0.0, 1.0, 20), y0)
    assert solution.ys.dtype == jnp.float64 and solution.ys.shape == (1,)
    assert float(solution.ys[0]) == pytest.approx(np.exp(-1), rel=1e-6)


def test_a_start_may_be_a_tree_of_python_numbers():
    field = ees.ODE(lambda t, y: {"a": -y["a"], "b": y["a"]})
    ys = ees.solve(field, ees.RK4(), ees.Clock(0, 1, 20), {"a": 1, "b": 0}).ys
    assert float(ys["b"][0]) == pytest.approx(1 - np.exp(-1), rel=1e-6)


@pytest.mark.parametrize("save", SAVES)
def test_float32_stays_float32(problem, save):
    field, driver, y0 = problem("diagonal", 6, dtype=jnp.float32)
    solution = ees.solve(field, ees.EES25(), driver, y0, save=save)
    kept = solution.ts, solution.ys, solution.state, solution.diverged_at
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("save", [1, 0, -3, 32769, "each", 2.0, None, True, (3,)])
@pytest.mark.parametrize("back", [False, True], ids=["solve", "reverse"])
def test_another_way_to_save_is_refused_with_what_is_allowed(save, back):
    go = ees.reverse if back else ees.solve
    with pytest.raises(ValueError) as caught:
        go(DECAY, ees.Heun(), ees.Clock(0.0, 1.0, 4), jnp.ones(1), save=save)
    wanted = f'save={save!r}: it must be "end", "all" or a number of points from 2 to 32768.'
    assert str(caught.value) == wanted


def test_all_values_of_a_traced_number_of_steps_are_refused():
    def solve(n):
        return ees.solve(DECAY, ees.Heun(), ees.Clock(0.0, 1.0, n), jnp.ones(1), save="all").ys

    with pytest.raises(ValueError, match='save="all": the number of steps is traced.*number of p'):
        jax.jit(solve)(4)


def test_all_values_of_a_number_of_steps_in_an_array_are_as_many_as_it_says():
    clock = ees.Clock(0.0, 1.0, jnp.asarray(4))
    assert ees.solve(DECAY, ees.Heun(), clock, jnp.ones(1), save="all").ys.shape == (5, 1)


@pytest.mark.parametrize(
    "noise, driver, message",
    [
        ("ode", ees.Brownian(jr.key(0), 0.0, 1.0, 4, (2,)), r"noise of shape \(2,\).*no noise: e"),
        ("diagonal", ees.Clock(0.0, 1.0, 4), r"Clock: it gives no noise, .* needs .* \(2,\)"),
        ("diagonal", ees.Brownian(jr.key(0), 0.0, 1.0, 4), r"shape \(\), .* needs .* \(2,\)"),
        ("additive", ees.Brownian(jr.key(0), 0.0, 1.0, 4, (2,)), r"\(2,\), .* needs .* \(3,\)"),
        ("additive", ees.Brownian(jr.key(0), 0.0, 1.0, 4, (1, 3)), r"\(1, 3\), .* \(3,\)"),
    ],
)
def test_noise_that_does_not_fit_is_refused_with_both_shapes(problem, noise, driver, message):
    field, _, y0 = problem(noise, 4)
    with pytest.raises(ValueError, match="driver=.*" + message):
        ees.solve(field, ees.Heun(), driver, y0)


@pytest.mark.parametrize(
    "drift, message",
    [
        (lambda t, y: y[:, None], "float32.2. into float32.2, 2.*shape"),
        (lambda t, y: t - y, "float32.2. into float64.2.*dtype="),
    ],
)
@pytest.mark.parametrize("adjoint", [ees.Reversible(), ees.FullBackprop()])
def test_a_field_that_does_not_keep_the_state_is_refused(drift, message, adjoint):
    y0, clock = jnp.ones(2, jnp.float32), ees.Clock(0.0, 1.0, 4)
    with pytest.raises(ValueError, match="field: one step turns a state of " + message):
        ees.solve(ees.ODE(drift), ees.Euler(), clock, y0, adjoint=adjoint)


def test_the_solution_is_the_same_under_every_adjoint(problem):
    field, driver, y0 = problem("diagonal", 9)
    scheme = ees.EES25()
    adjoints = (
        ees.StoredStates(), ees.RecursiveCheckpoint(), ees.Reversible(), ees.Reversible(2),
        ees.Continuous(), ees.FullBackprop(),
    )  # fmt: skip

    @jax.jit
    def values(y0):
        def pair(adjoint):
            def run(y0):
                return ees.solve(field, scheme, driver, y0, adjoint=adjoint, save=4).ys

            return jax.vjp(run, y0)[0]

        return [pair(adjoint) for adjoint in adjoints]

    alone = [ees.solve(field, scheme, driver, y0, adjoint=a, save=4).ys for a in adjoints]
    for bare, before_differentiating in zip(alone, values(y0)):
        # XLA may fuse differently around the memory that an adjoint keeps.
        np.testing.assert_allclose(before_differentiating, alone[0], rtol=0, atol=2e-15)
        np.testing.assert_allclose(bare, alone[0], rtol=0, atol=2e-15)
    for bare in alone[1:-1]:
        np.testing.assert_array_equal(bare, alone[0])
