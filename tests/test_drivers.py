"""Increments are pure, independent, of the right size, and the same path at every step count."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.drivers import LATTICE, Backwards, First, divisors
from ees.drivers.fractional import autocovariance, eigenvalues, fractional_noise


OPTIMISED = True  # Bits are compared.
KEY = jr.key(7)


def _increments(driver, steps):
    return np.asarray(jax.vmap(lambda i: driver.increment(i).dw)(jnp.arange(steps)))


def _fractional(key, *args, hurst=0.7, **options):
    return ees.FractionalBrownian(key, hurst, *args, **options)


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
    for make in (ees.Brownian, ees.BrownianPath, _fractional):
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


@pytest.mark.parametrize("shape", [(-1,), (2.5,), ("a",), {"a": 3}])
def test_a_bad_shape_of_the_noise_is_refused(shape):
    with pytest.raises(ValueError, match="shape=.*non-negative integers.*ShapeDtypeStruct"):
        ees.Brownian(KEY, 0.0, 1.0, 4, shape)


@pytest.mark.parametrize("make", [ees.Brownian, ees.BrownianPath, _fractional])
def test_float32_drivers_stay_float32(make):
    driver = make(KEY, 0.0, 1.0, 10, (2,), dtype=jnp.float32)
    dx = driver.increment(3)
    assert dx.dt.dtype == dx.dw.dtype == driver.time(3).dtype == jnp.float32


def test_divisors_are_all_of_them():
    assert divisors(LATTICE) == [d for d in range(1, LATTICE + 1) if LATTICE % d == 0]
    assert len(divisors(LATTICE)) == 84


def test_the_path_is_the_documented_sum_of_normals():
    path = ees.BrownianPath(KEY, 0.0, 3.0, 12, (2,), lattice=48)
    draws = np.asarray(jr.normal(KEY, (48, 2), jnp.float64))
    np.testing.assert_allclose(path.values[1:], np.cumsum(draws, 0) * np.sqrt(3 / 48), rtol=1e-13)
    np.testing.assert_array_equal(path.values[0], [0.0, 0.0])


SHAPES = {
    "a": jax.ShapeDtypeStruct((2,), jnp.float64),
    "b": (jax.ShapeDtypeStruct((), jnp.float32),),
}


@pytest.mark.parametrize("make", [ees.Brownian, ees.BrownianPath, _fractional])
def test_a_driver_gives_a_tree_of_noise_for_a_tree_of_shapes(make):
    driver = make(KEY, 0.0, 1.0, 12, SHAPES)
    dw = jax.jit(lambda driver, i: driver.increment(i).dw)(driver, 3)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), dw) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), SHAPES
    )
    assert abs(float(dw["a"][0]) - float(dw["b"][0])) > 1e-3
    coarse = driver.coarsen(3).increment(1).dw["a"]
    fine = sum(driver.increment(i).dw["a"] for i in (3, 4, 5))
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-14)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("make", [ees.Brownian, ees.BrownianPath, _fractional])
def test_a_coarser_driver_adds_up_the_increments_of_the_finer_one(make, traced):
    fine = make(KEY, 0.0, 2.0, 24, (2,))
    coarse = fine.coarsen(2).coarsen(3)
    assert float(coarse.dt) == pytest.approx(0.5) and coarse.steps == 4
    if traced:
        coarse = coarse.with_steps(jnp.asarray(4))
    seen = _increments(coarse, 4)
    wanted = _increments(fine, 24).reshape(4, 6, 2).sum(axis=1)
    np.testing.assert_allclose(seen, wanted, rtol=0, atol=1e-14)
    back = _increments(Backwards(fine).coarsen(6), 4)
    np.testing.assert_allclose(back, -wanted[::-1], rtol=0, atol=1e-14)


def test_a_coarser_clock_ticks_less_often():
    clock = ees.Clock(0.0, 2.0, 24).coarsen(6)
    assert float(clock.increment(1).dt) == 0.5


def test_one_program_serves_every_factor_and_gradients_pass_through_the_sum():
    drift, one = (lambda t, y: -y), (lambda t, y: jnp.ones((1, 1)))
    field, traces = ees.SDE(drift, one, ees.Additive()), []

    @eqx.filter_jit
    def end(t1, draws, adjoint):
        traces.append(1)
        driver = eqx.tree_at(lambda d: d.t1, draws, t1)
        return ees.solve(field, ees.EES25(), driver, jnp.ones(1), adjoint=adjoint).ys[0, 0]

    fine = ees.Brownian(KEY, 0.0, 1.0, 24, (1,))
    for factor in (2, 3):
        end(jnp.asarray(1.0), fine.coarsen(factor).with_steps(jnp.asarray(4)), ees.Reversible())
    assert len(traces) == 1
    # One step of dy = -y dt + dW along the sum: dt and the size of the noise both feel t1.
    coarse = fine.coarsen(24)
    ends = [end(t1, coarse, ees.Reversible()) for t1 in (1.0 - 1e-6, 1.0 + 1e-6)]
    slope = (ends[1] - ends[0]) / 2e-6
    for adjoint in (ees.FullBackprop(), ees.StoredStates()):
        found = jax.grad(lambda t1: end(t1, coarse, adjoint))(1.0)
        assert float(found) == pytest.approx(float(slope), rel=1e-7)


@pytest.mark.parametrize("factor, message", [(0, "positive"), (1.5, "positive"), (5, "divide.*24")])
def test_a_factor_that_does_not_fit_is_refused(factor, message):
    for driver in (ees.Clock(0.0, 1.0, 24), ees.Brownian(KEY, 0.0, 1.0, 24)):
        with pytest.raises(ValueError, match=rf"factor={factor}: .*{message}"):
            driver.coarsen(factor)


HURSTS = (0.3, 0.4, 0.5, 0.6, 0.9)


def _covariance(hurst, s, t):
    """Of fractional Brownian motion at two times."""
    return (abs(s) ** (2 * hurst) + abs(t) ** (2 * hurst) - abs(t - s) ** (2 * hurst)) / 2


@pytest.mark.parametrize("hurst", HURSTS)
def test_fractional_brownian_motion_has_its_covariance(hurst):
    count, t1 = 20_000, 1.5
    path = ees.FractionalBrownian(KEY, hurst, 0.0, t1, 4, (count,), lattice=8)
    values, times = np.asarray(path.values), np.linspace(0, t1, 9)
    wanted = _covariance(hurst, times[:, None], times[None, :])
    found = values @ values.T / count
    # The variance of a product of two centred normals, over the number of samples.
    spread = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / count)
    assert (np.abs(found - wanted) <= 4 * spread).all()
    assert (np.abs(values.mean(axis=1)) <= 4 * np.sqrt(np.diag(wanted) / count)).all()


@pytest.mark.parametrize("hurst", [0.26, *HURSTS, 0.99])
def test_the_circulant_matrix_has_no_negative_eigenvalue_and_holds_the_covariance(hurst):
    cells = 1000
    found = np.asarray(eigenvalues(hurst, cells))
    assert found.min() > 0
    k = np.arange(cells + 1, dtype=np.longdouble)
    power = 2 * np.longdouble(hurst)
    wanted = (np.abs(k + 1) ** power - 2 * k**power + np.abs(k - 1) ** power) / 2
    np.testing.assert_allclose(autocovariance(hurst, cells + 1), wanted.astype(float), atol=1e-13)
    row = np.fft.irfft(found, n=2 * cells)
    np.testing.assert_allclose(row[: cells + 1], wanted.astype(float), rtol=0, atol=1e-12)


def test_the_increments_are_the_root_of_the_covariance_times_white_noise():
    # Unit vectors for white noise give the matrix itself, whose square is the covariance.
    root = np.asarray(fractional_noise(jnp.eye(16), 0.7))
    k = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    np.testing.assert_allclose(root @ root.T, np.asarray(autocovariance(0.7, 8))[k], atol=1e-14)


def test_at_one_half_the_path_is_the_brownian_path_of_the_same_key():
    fractional = ees.FractionalBrownian(KEY, 0.5, -1.0, 2.0, 48, (2,), lattice=480)
    brownian = ees.BrownianPath(KEY, -1.0, 2.0, 48, (2,), lattice=480)
    np.testing.assert_allclose(fractional.values, brownian.values, rtol=0, atol=1e-12)


def test_the_path_moves_with_hurst_and_has_a_derivative_in_it():
    @jax.jit
    def end(hurst):
        return ees.FractionalBrownian(KEY, hurst, 0.0, 1.0, 8, (), lattice=64).values[-1]

    slope = (end(0.6 + 1e-5) - end(0.6 - 1e-5)) / 2e-5
    for derivative in (jax.grad(end)(0.6), jax.jit(jax.grad(end))(0.6)):
        assert float(derivative) == pytest.approx(float(slope), rel=1e-6)
    assert np.isfinite(float(jax.grad(end)(0.5)))


@pytest.mark.parametrize("hurst", [0.25, 1.0, 0.0, -0.3, 1.2, float("nan"), (0.5, 0.6)])
def test_a_hurst_index_out_of_range_is_refused(hurst):
    with pytest.raises(ValueError, match="hurst=.* above 1/4 and below 1"):
        ees.FractionalBrownian(KEY, hurst, 0.0, 1.0, 8, lattice=8)


def test_a_sampled_path_gives_the_differences_of_its_values():
    times = np.linspace(0.0, 2.0, 13)
    values = np.stack([np.sin(times) + 5, times**2], axis=1)
    driver = ees.Sampled(values, 0.0, 2.0, 4)
    np.testing.assert_allclose(_increments(driver, 4), np.diff(values[::3], axis=0), atol=1e-15)
    assert driver.lattice == 12 and float(driver.dt) == 0.5
    with pytest.raises(ValueError, match="steps=5: the path is known at 12 cells"):
        driver.with_steps(5)


def test_gradients_reach_the_values_of_a_sampled_path():
    # The end of dy = dX is X_1 - X_0, whatever lies between.
    field = ees.SDE(lambda t, y: 0 * y, lambda t, y: jnp.ones((1, 1)), ees.Additive())

    def end(values):
        driver = ees.Sampled(values, 0.0, 1.0, 3)
        return ees.solve(field, ees.EES25(), driver, jnp.zeros(1)).ys[0, 0]

    found = jax.grad(end)(jnp.arange(4.0)[:, None])
    np.testing.assert_allclose(found[:, 0], [-1.0, 0.0, 0.0, 1.0], atol=1e-14)


@pytest.mark.parametrize("make", [ees.BrownianPath, _fractional])
def test_a_float32_path_is_the_float64_path_rounded(make):
    path = make(KEY, 0.0, 1.0, 12, (2,), lattice=120)
    rounded = ees.Sampled(path.values, path.t0, path.t1, path.steps, dtype=jnp.float32)
    assert rounded.values.dtype == rounded.t1.dtype == jnp.float32
    np.testing.assert_array_equal(rounded.values, np.asarray(path.values, np.float32))
    assert ees.Sampled(rounded.values, 0.0, 1.0, 12).increment(1).dt.dtype == jnp.float32


@pytest.mark.parametrize(
    "values", [np.zeros(()), np.zeros(1), {"a": np.zeros(3), "b": np.zeros(4)}, ()]
)
def test_values_that_are_no_path_are_refused(values):
    with pytest.raises(ValueError, match="values has the shapes .*two points or more"):
        ees.Sampled(values, 0.0, 1.0, 1)


@pytest.mark.parametrize("kind", [ees.Brownian, ees.BrownianPath])
def test_the_first_steps_of_a_driver_are_its_own(kind):
    whole = kind(KEY, 0.0, 3.0, 72, (2,))
    first = First(whole, 30)
    assert float(first.t1) == pytest.approx(30 * 3.0 / 72, rel=1e-14)
    assert float(first.dt) == float(whole.dt) and first.with_steps(12).steps == 12
    # Drawn ahead as the whole is, and in a solve as one by one.
    assert first.together == whole.together
    field = ees.SDE(lambda t, y: -y, lambda t, y: jnp.ones(2), ees.Diagonal())
    all_of_it = ees.solve(field, ees.Heun(), whole, jnp.zeros(2), save="all")
    some = ees.solve(field, ees.Heun(), first, jnp.zeros(2), save="all")
    np.testing.assert_allclose(some.ys, all_of_it.ys[:31], rtol=1e-14)
    for i in (0, 29):
        np.testing.assert_array_equal(first.increment(i).dw, whole.increment(i).dw)
    with pytest.raises(ValueError, match="steps=73: the driver that it is the beginning of has 72"):
        First(whole, 73)
    with pytest.raises(ValueError, match="steps=0"):
        First(whole, 0)
