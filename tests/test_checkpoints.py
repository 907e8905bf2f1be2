"""Checkpoints, the reconstruction defect, and the choice of a spacing."""

import functools

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ees


def wave(wanted, adjoint, scheme, driver, save=5):
    """A loss that weighs every saved entry differently."""
    field, y0 = wanted
    ys = ees.solve(field, scheme, driver, y0, adjoint=adjoint, save=save).ys
    return jnp.sum(jnp.sin(jnp.arange(1.0, 1 + ys.size).reshape(ys.shape) * ys))


@eqx.filter_jit
def gradient(wanted, adjoint, scheme, driver, save=5):
    return ravel_pytree(eqx.filter_grad(wave)(wanted, adjoint, scheme, driver, save))[0]


@eqx.filter_jit
def gradient_and_defect(wanted, adjoint, scheme, driver, save=5):
    loss = ees.value_gradient_and_defect(wave, adjoint)
    _, found, defect = loss(wanted, scheme, driver, save)
    return ravel_pytree(found)[0], defect


class Decay(eqx.Module):
    """Towards 0, or towards a sine."""

    rate: jax.Array
    height: float = 0.0

    def __call__(self, t, y):
        return self.rate * (y - self.height * jnp.sin(3 * t))


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_spacing_one_is_stored_states_and_from_the_number_of_steps_on_it_is_none(problem, name):
    field, driver, y0 = problem("diagonal", 12)
    scheme, wanted = ees.SCHEMES[name](), (field, y0)

    @eqx.filter_jit
    def all_of_them(wanted):
        adjoints = ees.StoredStates(), ees.Reversible(1), ees.Reversible(12)
        found = [gradient(wanted, adjoint, scheme, driver, "end") for adjoint in adjoints]
        return *found, *gradient_and_defect(wanted, ees.Reversible(), scheme, driver, "end")

    stored, one, wide, plain, defect = all_of_them(wanted)
    size = np.abs(stored).max()
    np.testing.assert_allclose(one, stored, rtol=0, atol=1e-14 * size)
    np.testing.assert_allclose(wide, plain, rtol=0, atol=1e-14 * size)
    # And the defect is the error with which the start is recovered.
    wanted = float(ees.reconstruction(field, scheme, driver, y0).error[0])
    assert abs(float(defect) - wanted) < 1e-14
    assert (float(defect) < 1e-14) == scheme.algebraic


@pytest.mark.parametrize("noise, save", [("ode", "end"), ("additive", 7), ("diagonal", "all")])
def test_a_narrower_spacing_brings_the_gradient_nearer_to_the_exact_one(problem, noise, save):
    field, driver, y0 = problem(noise, 16)

    @eqx.filter_jit
    def all_of_them(wanted):
        adjoints = ees.FullBackprop(), *map(ees.Reversible, (None, 2, 1))
        return [gradient(wanted, adjoint, ees.EES25(), driver, save) for adjoint in adjoints]

    exact, *found = all_of_them((field, y0))
    plain, two, one = (float(jnp.linalg.norm(g - exact)) for g in found)
    assert plain > 1.5 * two and two > 1e-12 > one


def test_a_traced_number_of_steps_finds_the_same_checkpoints_and_compiles_once(problem):
    field, driver, y0 = problem("diagonal", 6, lattice=24)
    scheme, traces = ees.EES25(), []

    @eqx.filter_jit
    def found(steps, adjoint):
        traces.append(1)
        return gradient((field, y0), adjoint, scheme, driver.with_steps(steps))

    for steps in (3, 24):
        traced = found(jnp.asarray(steps), ees.Reversible(4, max_steps=24))
        known = gradient((field, y0), ees.Reversible(4), scheme, driver.with_steps(steps))
        np.testing.assert_allclose(traced, known, rtol=0, atol=1e-14 * np.abs(known).max())
    assert len(traces) == 1


@pytest.mark.parametrize(
    "adjoint", [ees.StoredStates(6), ees.RecursiveCheckpoint(6), ees.Reversible(2, max_steps=6)]
)
def test_more_steps_than_there_is_room_for_give_no_gradient(problem, adjoint):
    field, driver, y0 = problem("ode", 12)
    with pytest.raises(ValueError, match="max_steps=6: .* has to make room for 12 steps"):
        gradient((field, y0), adjoint, ees.EES25(), driver)
    fits, wide = driver.with_steps(jnp.asarray(6)), driver.with_steps(jnp.asarray(12))
    assert jnp.isfinite(gradient((field, y0), adjoint, ees.EES25(), fits)).all()
    assert jnp.isnan(gradient((field, y0), adjoint, ees.EES25(), wide)).all()


def test_full_backprop_gives_no_values_off_the_end_of_its_tape(problem):
    field, driver, y0 = problem("ode", 12)
    solve = functools.partial(ees.solve, field, ees.EES25(), y0=y0, save=3)
    short = solve(driver.with_steps(jnp.asarray(12)), adjoint=ees.FullBackprop(12))
    assert jnp.isfinite(short.ys).all()
    with pytest.raises(ValueError, match="max_steps=6: FullBackprop has to make room for 12"):
        solve(driver, adjoint=ees.FullBackprop(6))

    @jax.jit
    def traced(steps):
        return solve(driver.with_steps(steps), adjoint=ees.FullBackprop(6)).ys

    assert jnp.isnan(traced(12)).all() and jnp.isfinite(traced(5)).all()


@pytest.mark.parametrize("save", ["end", 4])
def test_with_checkpoints_the_defect_is_the_largest_over_the_stretches(problem, save):
    field, driver, y0 = problem("diagonal", 14)
    scheme, k = ees.EES25(), 4
    truth = ees.solve(field, scheme, driver, y0, save="all").ys
    defects = []
    for start in range(0, 14, k):
        end = min(start + k, 14)
        state = truth[end]
        for i in reversed(range(start, end)):
            state = scheme.reverse_step(field, driver.time(i), state, driver.increment(i))
        defects.append(float(jnp.linalg.norm(state - truth[start])))
    assert max(defects) > 2 * min(defects)
    _, defect = gradient_and_defect((field, y0), ees.Reversible(k), scheme, driver, save)
    np.testing.assert_allclose(defect, max(defects), rtol=1e-6)
    _, none = gradient_and_defect((field, y0), ees.Reversible(1), scheme, driver, save)
    assert float(none) == 0.0


def test_the_defect_does_not_feel_the_loss_and_takes_its_auxiliary_output_along(problem):
    field, driver, y0 = problem("ode", 8)

    def loss(field, adjoint, weight):
        y = ees.solve(field, ees.EES25(), driver, y0, adjoint=adjoint).ys
        return weight * jnp.sum(y), y

    measure = ees.value_gradient_and_defect(loss, has_aux=True)
    (value, y), found, defect = measure(field, 1.0)
    (_, _), thousandfold, same = measure(field, 1000.0)
    assert float(value) == float(jnp.sum(y))
    assert float(defect) == float(same) > 0
    np.testing.assert_allclose(thousandfold.drift.weights, 1000 * found.drift.weights, rtol=1e-12)


def test_defects_add_up_over_solves_and_a_probe_a_path_tells_paths_apart(problem):
    field, driver, y0 = problem("ode", 6)
    starts = y0 * jnp.array([[0.5], [1.0], [2.0]])
    scheme = ees.EES25()

    def end(field, y0, adjoint):
        return jnp.sum(ees.solve(field, scheme, driver, y0, adjoint=adjoint).ys)

    def shared(field, adjoint):
        return jnp.mean(jax.vmap(lambda y0: end(field, y0, adjoint))(starts))

    def apart(field, adjoint):
        return jnp.mean(jax.vmap(functools.partial(end, field))(starts, adjoint))

    def in_turn(field, adjoint):
        return sum(end(field, y0, adjoint) for y0 in starts) / 3

    each = [float(ees.reconstruction(field, scheme, driver, y0).error[0]) for y0 in starts]
    adjoint = ees.Reversible(probe=jnp.zeros(3))
    _, one, per_path = ees.value_gradient_and_defect(apart, adjoint)(field)
    np.testing.assert_allclose(per_path, each, rtol=1e-6)
    for loss in (shared, in_turn):
        _, other, total = eqx.filter_jit(ees.value_gradient_and_defect(loss))(field)
        np.testing.assert_allclose(total, sum(each), rtol=1e-6)
        np.testing.assert_allclose(other.drift.weights, one.drift.weights, rtol=1e-12)
    outside = ees.value_gradient_and_defect(lambda field, adjoint, y0: end(field, y0, adjoint))
    np.testing.assert_allclose(jax.vmap(lambda y0: outside(field, y0)[2])(starts), each, rtol=1e-6)


def test_a_reconstruction_that_blows_up_has_an_infinite_defect_and_not_a_nan():
    # At lambda h = -1 a step back expands by 2.6, and 2.6^900 overflows.
    field = ees.ODE(Decay(jnp.array([-900.0]), 1.0))
    driver, y0 = ees.Clock(0.0, 1.0, 900), jnp.array([2.0])
    _, defect = gradient_and_defect((field, y0), ees.Reversible(), ees.EES25(), driver)
    assert float(defect) == np.inf


def test_what_has_no_defect_says_so(problem):
    with pytest.raises(ValueError, match="adjoint=StoredStates: only ees.Reversible rebuilds"):
        ees.value_gradient_and_defect(wave, ees.StoredStates())
    field, driver, y0 = problem("ode", 4)
    with pytest.raises(ValueError, match=r"probe has shape \(3,\): one solve has one defect"):
        gradient_and_defect((field, y0), ees.Reversible(probe=jnp.zeros(3)), ees.EES25(), driver)


@pytest.mark.parametrize("spacing", [0, -1, 1.5, True, "some"])
def test_a_spacing_is_none_or_auto_or_a_positive_integer(spacing):
    with pytest.raises(ValueError, match=f"checkpoint_every={spacing!r}: it must be None"):
        ees.Reversible(spacing)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("inf"), float("nan")])
def test_a_tolerance_is_positive(tolerance):
    with pytest.raises(ValueError, match="tolerance=.*: it must be a positive number"):
        ees.Reversible("auto", tolerance=tolerance)


@pytest.mark.parametrize("tolerance", [1e-5, 1.7e-6, 1e-8])
def test_settle_takes_the_widest_spacing_within_the_tolerance(problem, tolerance):
    field, driver, y0 = problem("diagonal", 36)
    scheme = ees.EES25()
    adjoint = ees.Reversible("auto", tolerance=tolerance).settle(field, scheme, driver, y0)
    truth = ees.solve(field, scheme, driver, y0, save="all").ys
    size = float(jnp.linalg.norm(truth, axis=-1).max())
    assert abs(adjoint.settled.size - size) < 1e-14
    assert adjoint.settled.defect <= tolerance * size

    def defect(spacing):
        return float(gradient_and_defect((field, y0), ees.Reversible(spacing), scheme, driver)[1])

    # The very number that the backward pass of a gradient then reports.
    assert abs(defect(adjoint.checkpoint_every) - adjoint.settled.defect) < 1e-13
    if adjoint.checkpoint_every is None:
        assert tolerance == 1e-5
    else:
        wider = 2 * adjoint.checkpoint_every
        assert defect(None if wider >= 36 else wider) > tolerance * size
    assert f"checkpoint_every={adjoint.checkpoint_every}" in str(adjoint)
    assert f"{adjoint.settled.defect:.1e}" in str(adjoint)


def test_algebraically_reversible_schemes_settle_without_checkpoints(problem):
    field, driver, y0 = problem("diagonal", 40)
    for make in ees.SCHEMES.values():
        if make().algebraic:
            adjoint = ees.Reversible("auto").settle(field, make(), driver, y0)
            assert adjoint.checkpoint_every is None and adjoint.settled.defect < 1e-13


def test_where_nothing_can_be_recovered_auto_stores_everything():
    # At lambda h = -2 a step of EES(2,5) multiplies by R(-2) = 0, and R'(-2) = 1/2.
    steps = 32
    wanted = ees.ODE(Decay(jnp.array([-2.0 * steps]))), jnp.array([1.0])
    driver, scheme = ees.Clock(0.0, 1.0, steps), ees.EES25()
    exact = np.array([2 / (2 * steps), np.cos(1.0)])  # by the rate, by y0; y is 0 from step 1 on
    stored = gradient(wanted, ees.StoredStates(), scheme, driver, "all")
    np.testing.assert_allclose(stored, exact, rtol=1e-13)
    plain, defect = gradient_and_defect(wanted, ees.Reversible(), scheme, driver, "all")
    assert abs(float(defect) - 1.0) < 1e-14 and abs(float(plain[0])) < 1e-14
    adjoint = ees.Reversible("auto").settle(wanted[0], scheme, driver, wanted[1])
    assert adjoint.checkpoint_every == 1
    found, defect = gradient_and_defect(wanted, adjoint, scheme, driver, "all")
    np.testing.assert_allclose(found, exact, rtol=1e-13)
    assert float(defect) == 0.0


@pytest.mark.parametrize("save", ["end", 5])
def test_a_large_defect_spares_the_gradient_of_a_loss_at_the_end_alone(save):
    # Contracting at rate 40: the way back magnifies round-off by e^40, and where it has gone
    # wrong the derivative of the end is e^-40. The derivatives of values saved there are not.
    wanted = ees.ODE(Decay(jnp.array([-40.0]), 1.0)), jnp.array([1.0])
    driver, scheme = ees.Clock(0.0, 1.0, 500), ees.EES25()
    exact = gradient(wanted, ees.StoredStates(), scheme, driver, save)
    found, defect = gradient_and_defect(wanted, ees.Reversible(), scheme, driver, save)
    error = float(jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact))
    assert float(defect) > 1.0
    assert error < 1e-6 if save == "end" else error > 1.0


def test_auto_settles_by_itself_where_values_are_known_and_asks_where_they_are_traced(problem):
    field, driver, y0 = problem("diagonal", 36)
    auto, scheme = ees.Reversible("auto", tolerance=1.7e-6), ees.EES25()
    settled = auto.settle(field, scheme, driver, y0)
    assert settled.checkpoint_every == 4
    by_itself = ravel_pytree(eqx.filter_grad(wave)((field, y0), auto, scheme, driver))[0]
    np.testing.assert_allclose(
        by_itself, gradient((field, y0), settled, scheme, driver), rtol=0, atol=1e-14
    )
    values = [ees.solve(field, scheme, driver, y0, adjoint=a).ys for a in (auto, settled)]
    np.testing.assert_array_equal(*values)
    for traced in (
        lambda: gradient((field, y0), auto, scheme, driver),
        lambda: jax.vmap(lambda y: ees.solve(field, scheme, driver, y, adjoint=auto).ys)(y0[None]),
        lambda: jax.jit(lambda y: auto.settle(field, scheme, driver, y).settled.defect)(y0),
    ):
        with pytest.raises(ValueError, match='checkpoint_every="auto": .* call adjoint.settle'):
            traced()


def test_settling_again_compiles_nothing_and_a_measurement_is_no_part_of_a_program(problem):
    field, driver, y0 = problem("ode", 12)
    traces = []

    def drift(t, y):
        traces.append(1)
        return field.drift(t, y)

    counted, scheme = ees.ODE(drift), ees.EES25()
    auto = ees.Reversible("auto", tolerance=1e-9)

    @eqx.filter_jit
    def by_start(y0, adjoint):
        return jax.grad(lambda y0: wave((counted, y0), adjoint, scheme, driver))(y0)

    first = auto.settle(counted, scheme, driver, y0)
    by_start(y0, first)
    once = len(traces)
    second = auto.settle(counted, scheme, driver, 0.9 * y0)
    other = ees.Reversible("auto").settle(counted, scheme, driver.with_steps(30), y0)
    by_start(y0, second)
    assert len(traces) == once
    assert second.checkpoint_every == first.checkpoint_every != other.checkpoint_every
    assert second.settled.size != first.settled.size
