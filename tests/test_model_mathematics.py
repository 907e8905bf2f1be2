"""The models do what is said of them: invariants, moments, the right calculus, every `why`."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees
from ees.models.hamiltonian import HAMILTONIAN
from ees.models.neural import lipswish


RUNGE_KUTTA = ("EES25", "EES27", "RK4")
T = jnp.asarray(0.3)


def _reference(name, seed=0, horizon=None, **parameters):
    return ees.Experiment(model=name, parameters=parameters, seed=seed, horizon=horizon).reference()


def _misses(name, scheme, seed=0):
    """Forward and backward error of a scheme at a model's default step, at the end."""
    experiment = ees.Experiment(model=name, seed=seed)
    field, scheme, driver, y0 = experiment.problem(scheme, experiment.steps)
    solution = ees.solve(field, scheme, driver, y0)
    back = ees.reverse(field, scheme, driver, solution.state)
    return (
        np.abs(solution.ys[-1] - experiment.reference()[-1]).max(),
        np.abs(back.ys[-1] - y0).max(),
    )


def _ito_drift(field, y):
    """$f + \\frac12 \\sum_j (D g_j) g_j$ of a Stratonovich field, by its increments alone."""
    shape = field.noise_shape(T, y)
    dt, no_noise = jnp.asarray(1.0), jnp.zeros(shape)
    drift = field(T, y, ees.Increment(dt, no_noise))
    for unit in np.eye(int(np.prod(shape))).reshape(-1, *shape):
        dw = ees.Increment(jnp.asarray(0.0), jnp.asarray(unit))
        column = field(T, y, dw)
        drift = drift + 0.5 * jax.jvp(lambda y: field(T, y, dw), (y,), (column,))[1]
    return drift


def _ends(model, scheme, steps, horizon, paths):
    """`(paths, dim)`: the ends of independent paths."""

    def end(key):
        shape = model.noise_shape
        driver = ees.Brownian(key, 0.0, horizon, steps, shape)
        return ees.solve(model.field, scheme, driver, model.y0).ys[-1]

    return np.asarray(jax.jit(jax.vmap(end))(jr.split(jr.key(5), paths)))


def _expect(samples, wanted, allowance=0.0):
    """The mean of independent samples, within four standard errors and an allowance."""
    error = samples.std() / np.sqrt(len(samples))
    assert abs(samples.mean() - wanted) <= 4 * error + allowance


@pytest.mark.parametrize("scheme", RUNGE_KUTTA)
@pytest.mark.parametrize("name", HAMILTONIAN)
def test_energy_is_kept_at_least_to_the_order_of_the_scheme(name, scheme, slope):
    model, scheme = ees.MODELS[name](), ees.SCHEMES[scheme]()
    energy = jax.vmap(model.field.drift.energy)
    counts, errors = (100, 200, 400), []
    for steps in counts:
        driver = ees.Clock(0.0, 10.0, steps)
        values = energy(ees.solve(model.field, scheme, driver, model.y0, save=101).ys)
        errors.append(float(np.abs(values - values[0]).max()))
    # Where the energy error has reached round-off there is no slope to see.
    assert errors[-1] < 1e-12 or slope(1 / np.array(counts), errors) > ees.order(scheme) - 0.3


def test_the_galactic_orbit_keeps_its_energy_as_published():
    model = ees.MODELS["galactic_orbit"]()
    assert model.y0[4] == pytest.approx(1.6888370059044757, rel=1e-15)
    assert float(model.field.drift.energy(jnp.asarray(model.y0))) == pytest.approx(2, abs=1e-15)
    means = {}
    for name in ("EES27", "RK4"):
        driver = ees.Clock(0.0, 500.0, 20000)
        ys = ees.solve(model.field, ees.SCHEMES[name](), driver, model.y0, save=20001).ys
        means[name] = float(np.abs(jax.vmap(model.field.drift.energy)(ys) - 2).mean())
    # Means over 500 of arXiv 2507.21006's orbit, computed apart; EES27's is near round-off.
    assert means["RK4"] == pytest.approx(6.2e-9, rel=0.05)
    assert 2e-12 < means["EES27"] < 6e-12
    assert means["RK4"] > 1000 * means["EES27"]


def test_the_pendulum_keeps_its_energy_far_better_with_ees27_than_with_rk4():
    model, errors = ees.MODELS["pendulum"](), {}
    for name in ("EES27", "RK4"):
        driver = ees.Clock(0.0, model.horizon, model.steps)
        ys = ees.solve(model.field, ees.SCHEMES[name](), driver, model.y0, save=101).ys
        values = np.asarray(jax.vmap(model.field.drift.energy)(ys))
        errors[name] = np.abs(values - values[0]).max()
    assert 50 * errors["EES27"] < errors["RK4"]


def test_ornstein_uhlenbeck_has_its_mean_and_variance():
    model = ees.MODELS["ornstein_uhlenbeck"](theta=1.5, mu=0.5, sigma=0.8, y0=2.0)
    ends = _ends(model, ees.RK4(), 32, 0.7, 20000)[:, 0]
    mean = 0.5 + 1.5 * np.exp(-1.5 * 0.7)
    _expect(ends, mean, allowance=1e-4)
    _expect((ends - mean) ** 2, 0.8**2 / 3 * (1 - np.exp(-3 * 0.7)), allowance=1e-4)


def test_the_linear_test_equation_has_its_mean_square():
    lambda_, mu, t = -0.7 + 2j, 0.4 - 0.6j, 1.3
    model = ees.MODELS["linear_test"](lambda_.real, lambda_.imag, mu.real, mu.imag)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    ends = model.exact(jnp.full(40, t), jnp.asarray(nodes * np.sqrt(t)))
    found = weights @ np.sum(np.asarray(ends) ** 2, axis=1) / weights.sum()
    assert found == pytest.approx(np.exp(2 * (lambda_.real + mu.real**2) * t), rel=1e-12)


def test_stiff_gbm_is_the_ito_equation_of_the_paper():
    model = ees.MODELS["stiff_gbm"](rate=20.0, sigma=1.3)
    eye = np.eye(25)
    matrix = np.stack([_ito_drift(model.field, jnp.asarray(e)) for e in eye[:3]], axis=1)
    full = np.asarray(-20.0 * model.field.drift.drift.matrix)
    np.testing.assert_allclose(matrix, full[:, :3], atol=1e-12)
    np.testing.assert_allclose(full, full.T, atol=1e-13)
    values = np.sort(np.linalg.eigvalsh(full))[::-1]
    np.testing.assert_allclose(values, -20 * (1 + np.arange(1, 26) / 25), rtol=1e-12)
    noise = ees.Increment(jnp.asarray(0.0), jnp.asarray(1.0))
    np.testing.assert_allclose(model.field(T, jnp.asarray(model.y0), noise), 1.3 * model.y0)


def test_stiff_gbm_is_stable_with_ees25_at_a_step_where_rk4_is_not():
    model = ees.MODELS["stiff_gbm"]()
    for seed in range(3):
        sizes = {}
        for name in ("EES25", "RK4"):
            experiment = ees.Experiment(model="stiff_gbm", seed=seed, horizon=10.0, steps=140)
            end = ees.solve(*experiment.problem(name, 140)).ys[-1]
            sizes[name] = np.abs(end).max()
        assert model.horizon / model.steps == 10.0 / 140
        assert sizes["EES25"] < 1e-6 and sizes["RK4"] > 1e3


@pytest.mark.parametrize("v", [0.2, 0.01, -0.05])
def test_heston_is_the_ito_equation_and_turns_the_noise_off_below_zero(v):
    model = ees.MODELS["heston"](rate=0.05, kappa=3.0, theta=0.1, xi=0.35, rho=-0.6)
    y = jnp.array([0.1, v])
    wanted = [0.05 - v / 2, 3.0 * (0.1 - v)]
    np.testing.assert_allclose(_ito_drift(model.field, y), wanted, rtol=1e-13)
    drift = model.field(T, y, ees.Increment(jnp.asarray(1.0), jnp.zeros(2)))
    correction = np.array([-0.6 * 0.35 / 4, 0.35**2 / 4]) * (v > 0)
    np.testing.assert_allclose(drift, wanted - correction, rtol=1e-13)
    _, diffusion = model.field.coefficients(T, y)
    per_time = np.array([[1.0, -0.6 * 0.35], [-0.6 * 0.35, 0.35**2]])
    np.testing.assert_allclose(diffusion @ diffusion.T, max(v, 0) * per_time, atol=1e-15)


def test_heston_has_its_mean_price_and_mean_variance():
    model = ees.MODELS["heston"](rate=0.05, kappa=2.0, theta=0.09, xi=0.4, rho=-0.7, v0=0.04)
    ends = _ends(model, ees.EES25(), 128, 1.0, 20000)
    # The allowance is for the weak error of 128 steps: 64 steps move the price by 5e-4. Without
    # the correction of Ito's drift the means would move by 0.07 and 0.02.
    _expect(np.exp(ends[:, 0]), np.exp(0.05), allowance=1e-3)
    _expect(ends[:, 1], 0.09 + (0.04 - 0.09) * np.exp(-2.0), allowance=1e-3)


def test_heston_survives_steps_that_carry_the_variance_below_zero():
    model = ees.MODELS["heston"](kappa=1.0, theta=0.04, xi=0.4, v0=0.0)

    def path(key):
        driver = ees.Brownian(key, 0.0, 20.0, 40, (2,))
        return ees.solve(model.field, ees.EES25(), driver, model.y0, save=41).ys[:, 1]

    variances = np.asarray(jax.jit(jax.vmap(path))(jr.split(jr.key(0), 200)))
    assert np.isfinite(variances).all()
    below = variances[:, :-1] < 0
    assert below.any()
    # Not every one: a stage of the step may be above 0 again, where there is noise.
    assert (np.diff(variances)[below] > 0).mean() > 0.9
    slope = jax.jacrev(lambda y: model.field(T, y, ees.Increment(T, jnp.ones(2))))
    for v in (0.0, -0.01):
        assert np.isfinite(slope(jnp.array([0.0, v]))).all()


def test_langevin_leaves_its_invariant_density_alone():
    barrier, gamma, temperature = 1.3, 0.7, 0.4
    model = ees.MODELS["langevin"](barrier, gamma, temperature)
    no_noise = jnp.zeros(1)

    def density(y):
        energy = 0.5 * y[1] ** 2 + barrier * (y[0] ** 2 - 1) ** 2
        return jnp.exp(-energy / temperature)

    def flux(y):
        return density(y) * model.field(T, y, ees.Increment(jnp.asarray(1.0), no_noise))

    _, matrix = model.field.coefficients(T, jnp.zeros(2))
    spread = matrix @ matrix.T
    for y in jnp.asarray(np.random.default_rng(2).uniform(-1, 1, (4, 2))):
        gain = float(0.5 * jnp.sum(spread * jax.hessian(density)(y)))
        loss = float(jnp.trace(jax.jacobian(flux)(y)))
        assert abs(loss) > 1e-4 and gain == pytest.approx(loss, rel=1e-10)


def test_the_langevin_networks_see_what_they_are_said_to_see_and_need_no_correction():
    model = ees.MODELS["neural_langevin"]()
    y, other, later = jnp.asarray(model.y0), 2 * jnp.asarray(model.y0), jnp.asarray(4.0)
    (drift, noise), (there, same) = (model.field.coefficients(T, y) for y in (y, other))
    still, moved = model.field.coefficients(later, y)
    np.testing.assert_array_equal(noise, same)
    np.testing.assert_array_equal(drift, still)
    assert not np.array_equal(drift, there) and not np.array_equal(noise, moved)
    np.testing.assert_allclose(_ito_drift(model.field, y), drift, rtol=1e-13)


@pytest.mark.parametrize("name", ["neural_sde", "neural_langevin"])
def test_neural_fields_are_bounded_by_their_scales(name):
    model = ees.MODELS[name](kappa=0.0, drift=2.0, diffusion=0.5)
    drift, diffusion = model.field.coefficients(T, 1e3 * jnp.asarray(model.y0))
    assert drift.shape == diffusion.shape == model.y0.shape
    assert 0.2 < np.abs(drift).max() <= 2.0
    assert 0.02 < np.abs(diffusion).max() <= 0.5


def test_the_neural_sde_has_as_many_parameters_as_it_says():
    model = ees.MODELS["neural_sde"]()
    leaves = jax.tree.leaves(eqx.filter(model.field, eqx.is_inexact_array))
    assert f" {sum(leaf.size for leaf in leaves)} parameters" in model.why


def test_lipswish_has_the_lipschitz_constant_one():
    slopes = jax.vmap(jax.grad(lipswish))(jnp.linspace(-20.0, 20.0, 40001))
    assert 0.999 < float(np.abs(slopes).max()) <= 1.0


def test_kuramoto_pulls_every_rotor_towards_every_other():
    model = ees.MODELS["kuramoto"](oscillators=5, coupling=1.7, torque=0.4, mass=0.6)
    y = np.random.default_rng(4).normal(size=10)
    angles, velocities = y[:5], y[5:]
    pull = 1.7 / 5 * np.sin(angles[None, :] - angles[:, None]).sum(axis=1)
    torques = 0.4 * np.array([1, -1, 1, -1, 1])
    drift, noise = model.field.coefficients(T, jnp.asarray(y))
    np.testing.assert_allclose(drift[:5], velocities)
    np.testing.assert_allclose(drift[5:], (torques + pull - velocities) / 0.6, rtol=1e-12)
    np.testing.assert_allclose(noise[5:], np.sqrt(2 * 0.05) / 0.6 * np.eye(5))
    assert not noise[:5].any()


def test_rotors_lock_when_the_coupling_is_strong_and_not_when_it_is_weak():
    def order_parameter(coupling):
        angles = _reference("kuramoto", coupling=coupling)[10080:, :8]
        return np.abs(np.exp(1j * angles).mean(axis=1)).mean()

    assert order_parameter(2.0) > 0.8 and order_parameter(0.2) < 0.6


def test_predators_and_prey_without_noise_go_round():
    x, y = _reference("lotka_volterra", noise=0.0).T
    constant = 0.5 * x - np.log(x) + 0.5 * y - np.log(y)
    assert np.ptp(constant) < 1e-10 < 1.0 < np.ptp(x)


def test_a_neuron_rests_without_noise_and_fires_with_it():
    quiet = _reference("fitzhugh_nagumo", sigma=0.0)[:, 0]
    assert quiet.max() < -1.0
    assert all(_reference("fitzhugh_nagumo", seed)[:, 0].max() > 1.5 for seed in range(3))


def test_duffing_parts_two_starts_a_millionth_apart():
    model = ees.MODELS["duffing"]()
    driver = ees.Clock(0.0, 100.0, 20160)
    paths = [
        ees.solve(model.field, ees.RK4(), driver, model.y0 + start, save=101).ys
        for start in (0.0, np.array([1e-6, 0.0]))
    ]
    apart = np.abs(paths[0] - paths[1])[:, 0]
    assert apart[0] == pytest.approx(1e-6) and apart.max() > 1.0


def test_van_der_pol_forgets_errors_forwards_and_remembers_them_backwards():
    forward, back = _misses("van_der_pol", "RK4")
    assert forward < 0.1 and back > 1.0


def test_runge_kutta_schemes_err_alike_on_the_rough_equation():
    ratios = []
    for seed in range(3):
        errors = [_misses("rough", scheme, seed)[0] for scheme in RUNGE_KUTTA]
        ratios.append(max(errors) / min(errors))
    assert max(ratios) < 1.5


@pytest.mark.parametrize("hurst", [0.4, 0.6])
def test_the_rough_equation_is_solved_exactly_along_a_fractional_path_too(hurst):
    model = ees.MODELS["rough"]()
    driver = ees.FractionalBrownian(jr.key(1), hurst, 0.0, 1.0, 20160, (2,))
    ys = ees.solve(model.field, ees.RK4(), driver, model.y0, save=1009).ys
    exact = eqx.filter_jit(model.exact)(jnp.linspace(0.0, 1.0, 20161), driver.values)[::20]
    assert np.ptp(exact) > 0.5
    np.testing.assert_allclose(ys, exact, rtol=0, atol=1e-6)
