"""Strong, weak and pathwise errors: orders, confidence, and a second route to every number."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.diagnostics.error_curve import error_curve


COUNTS = (8, 16, 32, 64)
FINE = 512
MU, SIGMA = -0.5, 0.8


@pytest.fixture(scope="module")
def gbm():
    return ees.MODELS["geometric_brownian_motion"](mu=MU, sigma=SIGMA)


def _paths(shape, lattice=FINE):
    return lambda key: ees.BrownianPath(key, 0.0, 1.0, 1, shape, lattice=lattice)


def _of(gbm, scheme, **options):
    options = {"counts": COUNTS, "fine": FINE, "exact": gbm.exact, "functional": jnp.sum, **options}
    return ees.convergence(gbm.field, scheme, _paths((1,)), gbm.y0, **options)


def _near(curve, order, slack):
    return abs(curve.slope - order) < slack + 2 * curve.slope_error


class NonCommuting(ees.AbstractField):
    """Two noises whose flows do not commute: no scheme of increments does better than 1/2."""

    def coefficients(self, t, y):
        a, b = y
        return jnp.stack([-a, -b]), jnp.stack([jnp.cos(b), jnp.sin(a)]), jnp.stack([b, 0.5 + a])

    def contract(self, coefficients, dx):
        drift, first, second = coefficients
        return drift * dx.dt + first * dx.dw[0] + second * dx.dw[1]

    def noise_shape(self, t, y):
        return (2,)


def test_with_commutative_noise_the_strong_order_is_one(gbm):
    found = _of(gbm, ees.ReversibleHeun(), paths=400)
    assert _near(found.strong, 1.0, 0.1)
    assert found.strong.slope_error < 0.15
    assert found.strong.fitted.all()


def test_the_weak_order_of_heun_is_one(gbm):
    found = _of(gbm, ees.Heun(), counts=(4, 8, 16), paths=1500, batch=500)
    assert found.weak.fitted.all()
    assert _near(found.weak, 1.0, 0.1)
    assert _near(found.strong, 1.0, 0.1)


def test_with_noises_that_do_not_commute_the_strong_order_is_one_half():
    y0 = jnp.array([0.5, -0.3])
    options = {"counts": COUNTS, "fine": 2048, "paths": 400, "batch": 400}
    found = ees.convergence(NonCommuting(), ees.Heun(), _paths((2,), 2048), y0, **options)
    assert _near(found.strong, 0.5, 0.06)
    assert _near(found.pathwise, 0.5, 0.1)


def test_along_a_rougher_path_the_same_scheme_converges_more_slowly():
    # arXiv 2509.20599: dy = cos(y) dX1 + sin(y) dX2, forward rate 2H - 1/2.
    class Turning(ees.AbstractField):
        def coefficients(self, t, y):
            return jnp.cos(y), jnp.sin(y)

        def contract(self, coefficients, dx):
            return coefficients[0] * dx.dw[0] + coefficients[1] * dx.dw[1]

        def noise_shape(self, t, y):
            return (2,)

    slopes = []
    for hurst in (0.4, 0.5, 0.7):
        found = ees.convergence(
            Turning(),
            ees.EES25(),
            lambda key: ees.FractionalBrownian(key, hurst, 0.0, 1.0, 1, (2,), lattice=2048),
            jnp.ones(()),
            counts=COUNTS,
            fine=2048,
            reference=ees.EES25(),
            paths=100,
            batch=100,
        )
        slopes.append(found.pathwise.slope)
        assert _near(found.pathwise, 2 * hurst - 0.5, 0.12)
    assert slopes == sorted(slopes)


def test_with_additive_noise_the_strong_order_is_one(problem):
    field, _, y0 = problem("additive", 8)
    found = ees.convergence(
        field, ees.Euler(), _paths((3,)), y0, counts=COUNTS, fine=FINE, paths=100
    )
    assert _near(found.strong, 1.0, 0.1)


def test_euler_converges_to_the_ito_solution_and_not_to_the_stratonovich_one(gbm):
    against_the_solution = _of(gbm, ees.Euler(), paths=300)
    assert abs(against_the_solution.strong.slope) < 0.15
    assert against_the_solution.strong.error.min() > 0.2
    # Against its own fine steps it converges, and nothing shows that the limit is another one.
    against_itself = _of(gbm, ees.Euler(), paths=300, exact=None, reference=ees.Euler())
    assert _near(against_itself.strong, 0.55, 0.15)


def test_against_a_fine_reference_the_errors_are_those_against_the_exact_solution(gbm):
    exact = _of(gbm, ees.EES25(), paths=50)
    solved = _of(gbm, ees.EES25(), paths=50, exact=None)
    for curve in ("strong", "weak", "pathwise"):
        left, right = getattr(exact, curve), getattr(solved, curve)
        np.testing.assert_allclose(left.error, right.error, rtol=2e-4, atol=1e-6)


ORDERS = {"Euler": 1, "EES25": 2, "EES27": 2, "RK4": 4}


@pytest.mark.parametrize("name", ORDERS)
def test_on_an_ode_the_slope_is_the_order_that_the_trees_give(name):
    scheme = ees.SCHEMES[name]()
    model = ees.MODELS["kepler"](eccentricity=0.3)
    found = ees.convergence(
        model.field,
        scheme,
        ees.Clock(0.0, 1.0, 1),
        model.y0,
        counts=(64, 128, 256, 512),
        fine=1024,
        exact=model.exact,
    )
    assert ees.order(scheme) == ORDERS[name] and found.paths == 1
    for curve in (found.strong, found.pathwise):
        assert abs(curve.slope - ORDERS[name]) < 0.1
        assert 0 < curve.slope_error < 0.05  # the line's misfit alone
        np.testing.assert_allclose([curve.low, curve.high], [curve.error] * 2, rtol=1e-14)
    np.testing.assert_array_equal(found.evaluations, scheme.evaluations * found.steps)
    np.testing.assert_allclose(found.hs * found.steps, 1.0)


def test_points_that_are_lost_in_round_off_bear_no_slope():
    field = ees.ODE(lambda t, y: -y)
    found = ees.convergence(
        field,
        ees.RK4(),
        ees.Clock(0.0, 1.0, 1),
        jnp.ones(1),
        counts=(8, 16, 32, 1024, 4096),
        fine=8192,
        exact=lambda ts, ws: jnp.exp(-ts)[:, None],
    )
    np.testing.assert_array_equal(found.strong.fitted, [True, True, True, False, False])
    assert abs(found.strong.slope - 4) < 0.1


def test_every_error_and_interval_is_that_of_a_plain_loop(gbm):
    paths, key = 7, jr.key(5)
    found = _of(gbm, ees.Heun(), paths=paths, key=key, batch=3)
    end, sup, gain = (np.zeros((len(COUNTS), paths)) for _ in range(3))
    for p in range(paths):
        w = np.asarray(_paths((1,))(jr.fold_in(key, p)).values)[:, 0]
        for c, n in enumerate(COUNTS):
            y, ws, misses = 1.0, w[:: FINE // n], [0.0]
            for i in range(n):
                rho = MU / n + SIGMA * (ws[i + 1] - ws[i])
                y *= 1 + rho + rho**2 / 2
                if (i + 1) % (n // 8) == 0:  # the eight times that all step counts share
                    misses.append(abs(y - np.exp(MU * (i + 1) / n + SIGMA * ws[i + 1])))
            end[c, p], sup[c, p] = misses[-1], max(misses)
            gain[c, p] = y - np.exp(MU + SIGMA * w[-1])
    half = 1.959963984540054 / np.sqrt(paths)
    square = (end**2).mean(axis=1)
    # The delta method for a logarithm, by leaving out one path: nearly std / mean.
    rest = [np.log(np.delete(end**2, p, axis=1).mean(axis=1)) / 2 for p in range(paths)]
    wide = np.exp(1.959963984540054 * np.sqrt((paths - 1) * np.var(rest, axis=0)))
    log, long = np.log(sup).mean(axis=1), half * np.log(sup).std(axis=1, ddof=1)
    size, broad = np.abs(gain.mean(axis=1)), half * gain.std(axis=1, ddof=1)
    close = {"rtol": 1e-10, "atol": 0}
    np.testing.assert_allclose(found.strong.error, np.sqrt(square), **close)
    np.testing.assert_allclose(found.strong.high, np.sqrt(square) * wide, **close)
    np.testing.assert_allclose(found.strong.low, np.sqrt(square) / wide, **close)
    np.testing.assert_allclose(found.pathwise.error, np.exp(log), **close)
    np.testing.assert_allclose(found.pathwise.high, np.exp(log + long), **close)
    np.testing.assert_allclose(found.pathwise.low, np.exp(log - long), **close)
    np.testing.assert_allclose(found.weak.error, size, rtol=1e-8)
    np.testing.assert_allclose(found.weak.high, size + broad, rtol=1e-8)
    np.testing.assert_allclose(found.weak.low, np.maximum(size - broad, 0), rtol=1e-8)
    x, y = np.log(found.hs), np.log(found.pathwise.error)
    assert found.pathwise.slope == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-10)
    means = [np.delete(np.log(sup), p, axis=1).mean(axis=1) for p in range(paths)]
    without = [np.polyfit(x, mean, 1)[0] for mean in means]
    misfit = np.polyfit(x, y, 1, cov=True)[1][0, 0]
    wanted = np.sqrt((paths - 1) * np.var(without) + misfit)
    assert found.pathwise.slope_error == pytest.approx(wanted, rel=1e-8)


def _heun_moment(mu, sigma, tilt, power, h):
    """E R^power exp(tilt rho) of one step of Heun on the equation, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    rho = mu * h + sigma * np.sqrt(h) * nodes
    return weights / weights.sum() @ ((1 + rho + rho**2 / 2) ** power * np.exp(tilt * rho))


def test_the_intervals_hold_the_true_errors_as_often_as_they_say():
    mu, sigma, counts = -0.5, 0.3, (4, 8)
    model = ees.MODELS["geometric_brownian_motion"](mu=mu, sigma=sigma)
    strong, weak = [], []
    for n in counts:
        square = [_heun_moment(mu, sigma, tilt, 2 - tilt, 1 / n) ** n for tilt in (0, 1, 2)]
        strong.append(np.sqrt(square[0] - 2 * square[1] + square[2]))
        weak.append(abs(_heun_moment(mu, sigma, 0, 1, 1 / n) ** n - np.exp(mu + sigma**2 / 2)))
    held, runs = np.zeros((2, 2)), 40
    for seed in range(runs):
        found = ees.convergence(
            model.field,
            ees.Heun(),
            _paths((1,), 64),
            model.y0,
            counts=counts,
            fine=64,
            exact=model.exact,
            functional=jnp.sum,
            paths=400,
            batch=400,
            key=jr.key(seed),
        )
        for row, (curve, true) in enumerate(((found.strong, strong), (found.weak, weak))):
            held[row] += (curve.low <= true) & (true <= curve.high)
    # 95 of 100, less what the tail of the squares costs; and not always.
    assert (held / runs > 0.8).all() and (held / runs).mean() < 0.995


def test_the_standard_error_of_the_slope_is_the_scatter_of_slopes():
    rng = np.random.default_rng(0)
    hs = 2.0 ** -np.arange(2, 7)

    def curve():
        samples = 3 * np.log(hs)[:, None] + rng.normal(size=(5, 40))
        return error_curve(hs, samples, np.exp, 0.0)

    found = [curve() for _ in range(300)]
    scatter = np.std([c.slope for c in found])
    assert np.mean([c.slope for c in found]) == pytest.approx(3, abs=4 * scatter / np.sqrt(300))
    # Independent noise at every step is also misfit, and counted twice.
    assert 1.0 < np.mean([c.slope_error for c in found]) / scatter < 1.6


def test_paths_that_diverge_are_counted_and_their_errors_are_infinite():
    # Explicit steps on dy = -20 y^3 dt + dW from 3: steps of 1/8 throw it out.
    field = ees.SDE(lambda t, y: -20 * y**3, lambda t, y: jnp.eye(1), ees.Additive())
    found = ees.convergence(
        field,
        ees.Euler(),
        _paths((1,)),
        jnp.array([3.0]),
        counts=(8, 256, 128),
        fine=FINE,
        paths=20,
    )
    np.testing.assert_array_equal(found.diverged, [20, 0, 0])
    for curve in (found.strong, found.weak, found.pathwise):
        np.testing.assert_array_equal(np.isinf(curve.error), [True, False, False])
        np.testing.assert_array_equal(np.isinf(curve.high), [True, False, False])
        assert not curve.fitted[0]
    assert found.strong.slope > 0.5


def test_one_given_path_is_the_first_of_those_that_are_drawn(gbm):
    one = _of(gbm, ees.Heun(), paths=1)
    path = _paths((1,))(jr.fold_in(jr.key(0), 0))
    options = {"counts": COUNTS, "fine": FINE, "exact": gbm.exact, "functional": jnp.sum}
    same = ees.convergence(gbm.field, ees.Heun(), path, gbm.y0, **options)
    assert same.paths == 1
    np.testing.assert_allclose(one.strong.error, same.strong.error, rtol=1e-12)


def test_other_counts_keys_and_parameters_compile_nothing_new():
    traced = []

    class Drift(eqx.Module):
        rate: jax.Array

        def __call__(self, t, y):
            traced.append(1)
            return -self.rate * y

    def run(rate, counts, fine, seed):
        return ees.convergence(
            ees.ODE(Drift(jnp.asarray(rate))),
            ees.EES25(),
            lambda key: ees.Clock(0.0, 1.0 + seed, 1),
            jnp.ones(2),
            counts=counts,
            fine=fine,
            paths=2,
            key=jr.key(seed),
        )

    run(1.0, (8, 16), 64, 0)
    first = len(traced)
    run(3.0, (24, 16), 128, 1)
    assert len(traced) == first > 0


def test_increments_that_change_their_path_with_the_steps_are_refused(gbm):
    with pytest.raises(ValueError, match="driver=Brownian: with another number of steps"):
        ees.convergence(
            gbm.field,
            ees.Heun(),
            lambda key: ees.Brownian(key, 0.0, 1.0, 1, (1,)),
            gbm.y0,
            counts=(4, 8),
            fine=64,
        )


def test_bad_counts_and_numbers_are_named(gbm):
    for counts in ((), (8, 8), (8, FINE)):
        with pytest.raises(ValueError, match=r"counts=\[.*each less than fine=512"):
            _of(gbm, ees.Heun(), counts=counts)
    with pytest.raises(ValueError, match="steps=7: the path is known at 512 cells"):
        _of(gbm, ees.Heun(), counts=(7, 8))
    for name in ("fine", "paths", "batch"):
        with pytest.raises(ValueError, match=f"{name}=0: it must be a positive integer"):
            _of(gbm, ees.Heun(), **{name: 0})
