"""Increments are pure, independent, of the right size, and the same path at every step count."""

import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.drivers import LATTICE, Backwards, divisors


KEY = jr.key(7)


def _increments(driver, steps):
    return np.asarray(jax.vmap(lambda i: driver.increment(i).dw)(jnp.arange(steps)))


def test_a_clock_ticks_evenly_and_has_no_noise():
    clock = ees.Clock(1.0, 3.0, 8)
    assert float(clock.dt) == 0.25
    assert clock.increment(3).dw == ()
    np.testing.assert_array_equal(clock.time(jnp.arange(9)), np.linspace(1.0, 3.0, 9))


def test_times_are_not_accumulated():
    clock = ees.Clock(0.0, 1.0, 10_000_000)
    assert float(clock.time(10_000_000)) == pytest.approx(1.0, abs=1e-15)


def test_negating_an_increment_negates_time_and_noise():
    dx = -ees.Increment(jnp.asarray(0.5), jnp.array([1.0, -2.0]))
    assert float(dx.dt) == -0.5
    np.testing.assert_array_equal(dx.dw, [-1.0, 2.0])


def test_negating_an_increment_without_noise_leaves_it_without_noise():
    assert (-ees.Increment(jnp.asarray(0.5))).dw == ()


def test_brownian_increments_are_the_documented_draw():
    driver = ees.Brownian(KEY, 0.0, 2.0, 50, (3, 2))
    for i in (0, 1, 17, 49):
        wanted = jr.normal(jr.fold_in(KEY, i), (3, 2), jnp.float64) * np.sqrt(2.0 / 50)
        np.testing.assert_allclose(driver.increment(i).dw, wanted, rtol=1e-15)


def test_brownian_increments_are_pure_in_the_index_whatever_the_order_of_asking():
    driver = ees.Brownian(KEY, 0.0, 1.0, 20, (2,))
    draw = jax.jit(lambda i: driver.increment(i).dw)
    forwards = [np.asarray(draw(i)) for i in range(20)]
    backwards = [np.asarray(draw(i)) for i in reversed(range(20))]
    np.testing.assert_array_equal(forwards, backwards[::-1])


def test_brownian_increments_have_the_moments_of_independent_normals():
    count, dt = 40_000, 0.04
    dw = _increments(ees.Brownian(KEY, 0.0, count * dt, count, (2,)), count) / np.sqrt(dt)
    # Four standard deviations of each estimator under the null hypothesis; the seed is fixed.
    assert np.abs(dw.mean(axis=0)).max() < 4 / np.sqrt(count)
    assert np.abs(dw.var(axis=0) - 1).max() < 4 * np.sqrt(2 / count)
    assert np.abs((dw**4).mean(axis=0) - 3).max() < 4 * np.sqrt(96 / count)
    assert abs((dw[:, 0] * dw[:, 1]).mean()) < 4 / np.sqrt(count)
    assert np.abs((dw[1:] * dw[:-1]).mean(axis=0)).max() < 4 / np.sqrt(count)


def test_the_path_on_its_lattice_has_the_moments_of_brownian_motion():
    path = ees.BrownianPath(KEY, 0.0, 3.0, LATTICE, (2,))
    dw = np.diff(np.asarray(path.values), axis=0) / np.sqrt(3.0 / LATTICE)
    assert np.abs(dw.mean(axis=0)).max() < 4 / np.sqrt(LATTICE)
    assert np.abs(dw.var(axis=0) - 1).max() < 4 * np.sqrt(2 / LATTICE)
    assert np.abs((dw[1:] * dw[:-1]).mean(axis=0)).max() < 4 / np.sqrt(LATTICE)
    assert abs((dw[:, 0] * dw[:, 1]).mean()) < 4 / np.sqrt(LATTICE)


def test_other_keys_give_other_noise():
    for make in (ees.Brownian, ees.BrownianPath):
        first, second = (make(key, 0.0, 1.0, 10, (4,)).increment(2).dw for key in jr.split(KEY))
        assert np.abs(first - second).min() > 0


@pytest.mark.parametrize("steps", divisors(360))
def test_the_path_is_the_same_at_every_step_count(steps):
    path = ees.BrownianPath(KEY, -1.0, 2.0, 360, (2,), lattice=360)
    coarse = path.with_steps(steps)
    assert coarse.values is path.values
    seen = _increments(coarse, steps)
    fine = _increments(path, 360).reshape(steps, 360 // steps, 2).sum(axis=1)
    np.testing.assert_allclose(seen, fine, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        np.cumsum(seen, axis=0)[-1], path.values[-1] - path.values[0], atol=1e-13
    )


def test_the_path_built_with_other_steps_has_the_same_bits():
    values = [ees.BrownianPath(KEY, 0.0, 1.0, n, (), lattice=120).values for n in (1, 8, 120)]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


def test_the_path_takes_a_traced_number_of_steps():
    path = ees.BrownianPath(KEY, 0.0, 1.0, 120, (2,), lattice=120)
    traced = jax.jit(lambda n: path.with_steps(n).increment(2).dw)(8)
    np.testing.assert_array_equal(traced, path.with_steps(8).increment(2).dw)


@pytest.mark.parametrize(
    "steps, near", [(7, "[6, 8, 9]"), (100, "[72, 90, 120]"), (361, "[120, 180, 360]")]
)
def test_a_step_count_off_the_lattice_is_refused_with_the_nearest(steps, near):
    path = ees.BrownianPath(KEY, 0.0, 1.0, 360, lattice=360)
    for attempt in (path.with_steps, lambda n: ees.BrownianPath(KEY, 0.0, 1.0, n, lattice=360)):
        with pytest.raises(ValueError) as caught:
            attempt(steps)
        assert str(caught.value).startswith(f"steps={steps}: the path is known at 360 cells")
        assert str(caught.value).endswith(f"the nearest that do are {near}.")


def test_backwards_runs_the_increments_in_reverse_order_and_negated():
    driver = ees.Brownian(KEY, 0.0, 1.0, 9, (2,))
    back = Backwards(driver)
    assert float(back.time(0)) == 1.0 and float(back.time(9)) == pytest.approx(0.0, abs=1e-15)
    for i in range(9):
        np.testing.assert_array_equal(back.increment(i).dw, -driver.increment(8 - i).dw)
        assert float(back.increment(i).dt) == -float(driver.dt)


@pytest.mark.parametrize("make", [ees.Clock, lambda *a: ees.Brownian(KEY, *a)], ids=["clock", "bm"])
@pytest.mark.parametrize(
    "t0, t1, steps, message",
    [
        (1.0, 1.0, 3, r"t0=1.0, t1=1.0: .* finite with t0 < t1"),
        (2.0, 1.0, 3, r"t0=2.0, t1=1.0"),
        (0.0, float("nan"), 3, "t1=nan"),
        (-float("inf"), 1.0, 3, "t0=-inf"),
        (0.0, 1.0, 0, "steps=0: at least 1"),
        (0.0, 1.0, -2, "steps=-2: at least 1"),
        (0.0, 1.0, 2.5, "steps=2.5: .* must be an integer"),
        (0.0, 1.0, True, "steps=True: .* must be an integer"),
        (0.0, 1.0, "4", "steps='4': .* must be an integer"),
    ],
)
def test_bad_times_and_step_counts_are_refused(make, t0, t1, steps, message):
    with pytest.raises(ValueError, match=message):
        make(t0, t1, steps)


@pytest.mark.parametrize("shape", [(-1,), (2.5,), ("a",)])
def test_a_bad_shape_of_the_noise_is_refused(shape):
    with pytest.raises(ValueError, match="shape=.*non-negative integers"):
        ees.Brownian(KEY, 0.0, 1.0, 4, shape)


@pytest.mark.parametrize("make", [ees.Brownian, ees.BrownianPath])
def test_float32_drivers_stay_float32(make):
    driver = make(KEY, 0.0, 1.0, 10, (2,), dtype=jnp.float32)
    dx = driver.increment(3)
    assert dx.dt.dtype == dx.dw.dtype == driver.time(3).dtype == jnp.float32


def test_divisors_are_all_of_them():
    assert divisors(LATTICE) == [d for d in range(1, LATTICE + 1) if LATTICE % d == 0]
    assert len(divisors(LATTICE)) == 84
