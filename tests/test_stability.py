"""Growth on the linear test equation, its mean square, and the step size that they allow."""

import math

import jax, jax.numpy as jnp
import numpy as np
import pytest

import ees
from ees.diagnostics.amplification import coordinates_of, degree_of, step_matrices


R2 = np.sqrt(2.0)

# Stability functions by rising powers of z: arXiv 2509.20599 and the classical ones.
POWERS = {
    "Euler": (ees.Euler(), [1, 1]),
    "Heun": (ees.Heun(), [1, 1, 1 / 2]),
    "Midpoint": (ees.Midpoint(), [1, 1, 1 / 2]),
    "Kutta3": (ees.Kutta3(), [1, 1, 1 / 2, 1 / 6]),
    "RK4": (ees.RK4(), [1, 1, 1 / 2, 1 / 6, 1 / 24]),
    "EES25": (ees.EES25(), [1, 1, 1 / 2, 1 / 8]),
    "EES25(-0.3)": (ees.EES25(-0.3), [1, 1, 1 / 2, 1 / 8]),
    "EES27": (ees.EES27(), [1, 1, 1 / 2, (2 - R2) / 4, (3 - 2 * R2) / 8]),
    "EES27(-)": (ees.EES27(branch=-1), [1, 1, 1 / 2, (2 + R2) / 4, (3 + 2 * R2) / 8]),
}
LIMITS = {
    "Euler": -2.0,
    "Heun": -2.0,
    "Kutta3": -2.5127,
    "RK4": -2.7853,
    "EES25": -3.0874,
    "EES27": -3.9156,
    "EES27(-)": -1.389,
}
AREAS = {
    "Euler": 3.14,
    "Heun": 5.87,
    "Kutta3": 9.12,
    "RK4": 12.70,
    "EES25": 11.74,
    "EES27": 20.01,
    "EES27(-)": 2.39,
}
# Areas inside the window of each panel: as published, and of the second moment itself. Counted
# on cells; points of a grid that includes the edges of the window give 1 to 2 per cent less.
PANELS = {
    "EES25": ((4.942, 6.806, 2.804, 3.066), (4.942, 0.0, 2.224, 2.371)),
    "Kutta3": ((3.482, 7.525, 2.154, 2.738), (3.482, 3.664, 1.632, 1.938)),
    "RK4": ((3.954, 10.699, 2.559, 3.668), (3.954, 8.189, 1.982, 2.491)),
}


@pytest.fixture(scope="module")
def plane():
    real, imag = np.meshgrid(np.linspace(-4, 1, 21), np.linspace(-3, 3, 20))
    return real + 1j * imag


def _polynomial(powers, z):
    return np.polynomial.polynomial.polyval(z, powers)


def _gaussian_moment(k):
    return float(math.prod(range(k - 1, 0, -2))) if k % 2 == 0 else 0.0


def _mean_square(powers, mean, deviation, conjugate):
    """E|R|^2 or |E R^2| from the powers of xi in R(mean + deviation xi) and Gaussian moments."""
    series = np.polynomial.Polynomial(powers)(np.polynomial.Polynomial([mean, deviation])).coef
    total = 0.0
    for j, left in enumerate(series):
        for k, right in enumerate(series):
            total += left * (np.conj(right) if conjugate else right) * _gaussian_moment(j + k)
    return abs(total)


def _closed_form(m, v):
    """E R^2 of EES(2,5) for rho ~ N(m, v), real."""
    return (
        (m + 2) ** 2 * (m**2 + 2 * m + 4) ** 2
        + v * (15 * m**4 + 80 * m**3 + 192 * m**2 + 240 * m + 128)
        + 3 * v**2 * (15 * m**2 + 40 * m + 32)
        + 15 * v**3
    ) / 64


@pytest.mark.parametrize("name", POWERS)
def test_the_growth_of_a_runge_kutta_scheme_is_its_stability_function(name, plane):
    scheme, powers = POWERS[name]
    found = ees.linear_stability(scheme, plane)
    assert found.shape == plane.shape
    np.testing.assert_allclose(found, np.abs(_polynomial(powers, plane)), rtol=0, atol=2e-12)


@pytest.mark.parametrize("name", LIMITS)
def test_the_real_axis_leaves_the_domain_at_the_limit_of_the_literature(name):
    scheme, powers = POWERS[name]
    polynomial = np.polynomial.Polynomial(powers)
    crossings = np.concatenate([(polynomial - 1).roots(), (polynomial + 1).roots()])
    real = crossings[np.abs(crossings.imag) < 1e-9].real
    limit = real[real < -1e-9].max()
    assert f"{limit:.{len(str(LIMITS[name]).split('.')[1])}f}" == f"{LIMITS[name]}"
    inside, outside = ees.linear_stability(scheme, np.array([limit + 1e-9, limit - 1e-9]))
    assert inside < 1 < outside
    assert ees.linear_stability(scheme, limit) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", AREAS)
def test_the_area_of_the_domain_is_that_of_the_table(name):
    n = 900
    centres = (np.arange(n) + 0.5) / n
    z = (-6 + 8 * centres)[None] + 1j * (5 * centres)[:, None]  # symmetric in the real axis
    area = 2 * np.mean(ees.linear_stability(POWERS[name][0], z) < 1) * 8 * 5
    assert area == pytest.approx(AREAS[name], abs=0.012)


def test_no_ees_scheme_is_stable_on_the_imaginary_axis_and_rk4_is_up_to_two_root_two():
    y = np.linspace(0.05, 2.82, 40)
    np.testing.assert_allclose(
        ees.linear_stability(ees.EES25(), 1j * y), np.sqrt(1 + y**6 / 64), rtol=0, atol=1e-12
    )
    assert (ees.linear_stability(ees.EES27(), 1j * y) > 1).all()
    assert (ees.linear_stability(ees.RK4(), 1j * y) < 1).all()


def _reversible_heun(z):
    # arXiv 2105.13493 on y' = z y: the step of (y, v).
    return np.array([[1 + z, z**2 / 2], [2, z - 1]])


def test_reversible_heun_steps_by_its_two_by_two_matrix_of_determinant_minus_one(plane):
    scheme = ees.ReversibleHeun()
    coordinates = coordinates_of(scheme)
    assert coordinates.shape == (2, 3)  # y, v and the coefficients, which are v again
    found = np.asarray(step_matrices(scheme, coordinates, jnp.asarray(plane)))
    np.testing.assert_allclose(np.linalg.det(found), -1, rtol=0, atol=1e-11)
    wanted = [np.abs(np.linalg.eigvals(_reversible_heun(z))).max() for z in plane.ravel()]
    growth = ees.linear_stability(scheme, plane)
    np.testing.assert_allclose(growth.ravel(), wanted, rtol=0, atol=1e-10)


def test_reversible_heun_is_bounded_on_the_open_segment_and_nowhere_else(plane):
    scheme = ees.ReversibleHeun()
    segment = 1j * np.linspace(-0.99, 0.99, 41)
    np.testing.assert_allclose(ees.linear_stability(scheme, segment), 1, rtol=0, atol=1e-12)
    off = plane[(np.abs(plane.real) > 1e-3) | (np.abs(plane.imag) > 1.01)]
    assert (ees.linear_stability(scheme, off) > 1 + 1e-4).all()
    # At the ends the matrix is defective: the growth factor is 1 and the iterate still grows.
    field = ees.ODE(lambda t, y: jnp.stack([-y[1], y[0]]))
    end = ees.solve(field, scheme, ees.Clock(0.0, 40.0, 40), jnp.array([1.0, 0.0])).ys[0]
    assert float(jnp.linalg.norm(end)) > 15


@pytest.mark.parametrize("name", POWERS)
def test_the_second_moment_is_exact_at_complex_drift_and_noise(name):
    scheme, powers = POWERS[name]
    rng = np.random.default_rng(1)
    mean = rng.normal(size=12) - 1 + 1j * rng.normal(size=12)
    variance = 0.5 * (rng.normal(size=12) + 1j * rng.normal(size=12))
    for definition, conjugate in (("second_moment", True), ("published", False)):
        found = ees.mean_square_stability(scheme, mean, variance, definition=definition)
        wanted = [_mean_square(powers, m, np.sqrt(v), conjugate) for m, v in zip(mean, variance)]
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_ees25_has_the_closed_form_for_real_numbers():
    m, v = np.meshgrid(np.linspace(-3.5, 1, 10), np.linspace(0, 2, 9))
    found = ees.mean_square_stability(ees.EES25(), m, v)
    np.testing.assert_allclose(found, _closed_form(m, v), rtol=0, atol=1e-11)


def test_the_area_of_the_first_panel_is_the_integral_of_its_closed_form():
    m = LIMITS["EES25"] * (np.arange(4000) + 0.5) / 4000
    low, high = np.zeros_like(m), np.full_like(m, 3.0)
    for _ in range(40):  # the closed form rises with v
        v = (low + high) / 2
        stable = _closed_form(m, v) < 1
        low, high = np.where(stable, v, low), np.where(stable, high, v)
    area = np.mean(2 * np.sqrt(low)) * -LIMITS["EES25"]
    assert area == pytest.approx(PANELS["EES25"][1][0], abs=1e-3)
    assert low.max() == pytest.approx(1.233, abs=5e-4)
    assert m[low.argmax()] == pytest.approx(-1.45, abs=5e-3)


def test_a_crowd_of_paths_grows_as_the_second_moment_says():
    # dy = -0.8 y dt + 0.7 y o dW, eight steps of size 1: E R^2 to the power of eight.
    paths, steps = 200_000, 8
    field = ees.SDE(lambda t, y: -0.8 * y, lambda t, y: 0.7 * y, ees.Diagonal())
    growth = float(ees.mean_square_stability(ees.EES25(), -0.8, 0.7**2))
    assert growth < 1
    driver = ees.Brownian(jax.random.key(3), 0.0, float(steps), steps, (paths,))
    path = ees.solve(field, ees.EES25(), driver, jnp.ones(paths), save=steps + 1)
    for n, square in enumerate(np.asarray(path.ys) ** 2):
        assert abs(square.mean() - growth**n) <= 4 * square.std() / np.sqrt(paths) + 1e-12


def test_with_small_steps_the_second_moment_grows_as_the_equation_says_in_either_reading():
    # d E y^2 / dt = (2 lambda + 2 mu^2) E y^2 for Stratonovich, (2 lambda + mu^2) E y^2 for Ito.
    rate, noise, h = -0.7, 0.4, 1e-5
    for reading, wanted in (("stratonovich", 2 * rate + 2 * noise), ("ito", 2 * rate + noise)):
        for scheme in (ees.EES25(), ees.EES27(), ees.RK4()):
            growth = ees.mean_square_stability(scheme, rate * h, noise * h, reading=reading)
            assert (float(growth) - 1) / h == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("definition", ["second_moment", "published"])
def test_reversible_heun_has_the_moments_of_its_matrix(definition):
    rng = np.random.default_rng(2)
    mean = rng.normal(size=10) + 1j * rng.normal(size=10)
    variance = rng.normal(size=10) + 1j * rng.normal(size=10)
    found = ees.mean_square_stability(ees.ReversibleHeun(), mean, variance, definition=definition)
    for m, v, growth in zip(mean, variance, found):
        # M = A + B xi + C xi^2, by differences on three points.
        low, middle, high = (_reversible_heun(m + np.sqrt(v) * x) for x in (-1, 0, 1))
        powers = [middle, (high - low) / 2, (high + low) / 2 - middle]
        total = sum(
            _gaussian_moment(j + k) * np.kron(a, b.conj() if definition == "second_moment" else b)
            for j, a in enumerate(powers)
            for k, b in enumerate(powers)
        )
        assert growth == pytest.approx(np.abs(np.linalg.eigvals(total)).max(), rel=1e-10)


@pytest.mark.parametrize("section", ees.CROSS_SECTIONS, ids=lambda s: s.drift_latex + s.noise_latex)
def test_with_any_noise_reversible_heun_is_mean_square_unstable(section):
    a = np.linspace(*section.a, 24)  # without 0
    b = np.linspace(*section.b, 24)[:, None]
    growth = ees.mean_square_stability(ees.ReversibleHeun(), *section.parameters(a, b))
    assert (growth > 1).all()


@pytest.mark.parametrize("name", PANELS)
def test_the_panels_have_the_areas_of_the_second_moment_and_of_the_published_figure(name):
    n = 360
    centres = (np.arange(n) + 0.5) / n
    for panel, section in enumerate(ees.CROSS_SECTIONS):
        (a, da), (b, db) = (
            (low + (high - low) * centres, high - low) for low, high in (section.a, section.b)
        )
        for definition, areas in zip(("published", "second_moment"), PANELS[name]):
            growth = ees.mean_square_stability(
                POWERS[name][0], *section.parameters(a, b[:, None]), definition=definition
            )
            assert np.mean(growth < 1) * da * db == pytest.approx(areas[panel], abs=0.012)


def test_read_as_a_variance_the_panels_are_not_symmetric_in_b():
    section = ees.CROSS_SECTIONS[0]
    lambda_dt, mu2_dt = section.parameters(-1.0, np.array([-0.5, 0.5]), variance=True)
    np.testing.assert_array_equal(mu2_dt, [-0.5, 0.5])
    below, above = ees.mean_square_stability(ees.EES25(), lambda_dt, mu2_dt)
    assert abs(below - above) > 0.1
    np.testing.assert_array_equal(section.parameters(-1.0, np.array([-0.5, 0.5]))[1], [0.25, 0.25])


def test_without_noise_the_mean_square_growth_is_the_square_of_the_growth(plane):
    for scheme in (ees.EES25(), ees.ReversibleHeun()):
        found = ees.mean_square_stability(scheme, plane, 0.0)
        np.testing.assert_allclose(found, ees.linear_stability(scheme, plane) ** 2, rtol=1e-9)


def test_what_an_implicit_scheme_reports_in_its_state_does_not_disturb_its_growth(plane):
    found = ees.linear_stability(ees.ImplicitMidpoint(), plane)
    np.testing.assert_allclose(found, np.abs((2 + plane) / (2 - plane)), rtol=0, atol=1e-12)
    assert coordinates_of(ees.ImplicitMidpoint()).shape == (1, 1)
    assert ees.linear_stability(ees.ImplicitMidpoint(), 2.0) == np.inf


def test_an_implicit_scheme_has_no_second_moment_here():
    with pytest.raises(ValueError, match="scheme=Implicit midpoint: its step is no polynomial"):
        ees.mean_square_stability(ees.ImplicitMidpoint(), -1.0, 0.1)


@pytest.mark.parametrize("base", [ees.Euler, ees.Midpoint])
def test_mccallum_foster_grows_by_its_trace_and_determinant(plane, base):
    # On y' = zy with the base increment psi(z): the trace Gamma, and the determinant lambda.
    coupling = 0.7
    psi = POWERS[base().name][1][1:]

    def increment(z):
        return z * _polynomial(psi, z)

    trace = 1 + coupling - increment(-plane) * (1 - coupling + increment(plane))
    root = np.sqrt(trace**2 / 4 - coupling + 0j)
    wanted = np.maximum(np.abs(trace / 2 + root), np.abs(trace / 2 - root))
    found = ees.linear_stability(ees.McCallumFoster(base(), coupling), plane)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("coupling", [0.5, 0.8, 0.9, 0.99, 0.999])
def test_mccallum_foster_on_euler_is_stable_for_real_z_within_one_less_the_coupling(coupling):
    scheme, edge = ees.McCallumFoster(ees.Euler(), coupling), 1 - coupling
    z = -edge * np.array([0.01, 0.3, 0.9, 0.999, 1.001, 1.1, 3.0])
    stable = ees.linear_stability(scheme, z) < 1
    np.testing.assert_array_equal(stable, [True, True, True, True, False, False, False])


def test_mccallum_foster_has_the_limits_of_the_table():
    ray = ees.Spectrum(jnp.zeros(1), np.array([[-1.0 + 0j]]))
    for coupling, limit in ((0.5, "2.157"), (0.8, "0.2255"), (0.9, "0.1056"), (0.99, "0.010")):
        step = ees.critical_step(ees.McCallumFosterMidpoint(coupling), ray).step
        assert step == pytest.approx(float(limit), abs=1.1 * 10.0 ** -len(limit.split(".")[1]))
    for coupling, euler, midpoint in ((0.8, "1.36", "1.29"), (0.9, "1.50", "1.45")):
        schemes = ees.McCallumFoster(ees.Euler(), coupling), ees.McCallumFosterMidpoint(coupling)
        for scheme, growth in zip(schemes, (euler, midpoint)):
            assert f"{ees.linear_stability(scheme, -0.5):.2f}" == growth


def test_asynchronous_leapfrog_grows_as_reversible_heun(plane):
    scheme = ees.AsynchronousLeapfrog()
    wanted = ees.linear_stability(ees.ReversibleHeun(), plane)
    np.testing.assert_allclose(ees.linear_stability(scheme, plane), wanted, rtol=1e-9)


def test_the_degree_of_a_step_is_found_from_the_step():
    degrees = {"Euler": 1, "Heun": 2, "EES25": 3, "EES27": 4, "RK4": 4, "ReversibleHeun": 2}
    for name, degree in degrees.items():
        scheme = ees.SCHEMES[name]()
        assert degree_of(scheme, coordinates_of(scheme)) == degree
    assert degree_of(ees.ImplicitMidpoint(), np.eye(1)) is None


@pytest.mark.parametrize("name", ees.SCHEMES)
def test_a_number_in_is_a_number_out_and_at_zero_nothing_grows(name):
    scheme = ees.SCHEMES[name]()
    growth = ees.linear_stability(scheme, 0.0)
    assert growth.shape == () and growth == pytest.approx(1, abs=1e-9)


def test_a_wrong_reading_or_definition_is_named():
    with pytest.raises(ValueError, match="reading='strat': it must be"):
        ees.mean_square_stability(ees.EES25(), -1.0, 0.1, reading="strat")
    with pytest.raises(ValueError, match="definition='first': it must be"):
        ees.mean_square_stability(ees.EES25(), -1.0, 0.1, definition="first")


def test_the_spectrum_is_that_of_the_jacobian_written_out_by_hand():
    model = ees.MODELS["stochastic_lorenz"]()
    driver = model.driver(jax.random.key(0), 1.0, 504)
    path = ees.solve(model.field, ees.RK4(), driver, model.y0, save=9)
    found = ees.spectrum(model.field, path.ts, path.ys)
    np.testing.assert_array_equal(found.ts, path.ts)
    for (x, y, z), eigenvalues in zip(np.asarray(path.ys), found.eigenvalues):
        jacobian = [[-10, 10, 0], [28 - z, -1, -x], [y, x, -8 / 3]]
        wanted = np.linalg.eigvals(jacobian)
        np.testing.assert_allclose(np.sort(eigenvalues), np.sort(wanted), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", LIMITS)
def test_the_critical_step_of_mean_reversion_is_the_real_limit_over_the_rate(name):
    model = ees.MODELS["ornstein_uhlenbeck"](theta=5.0)
    found = ees.spectrum(model.field, jnp.array([0.0, 1.0]), jnp.array([[2.0], [0.5]]))
    critical = ees.critical_step(POWERS[name][0], found)
    assert critical.step == pytest.approx(-LIMITS[name] / 5.0, abs=2e-4)
    assert critical.eigenvalue == -5.0
    growth = ees.linear_stability(POWERS[name][0], critical.eigenvalue * critical.step)
    assert growth == pytest.approx(1, abs=1e-10)


def test_the_critical_step_is_set_where_the_path_is_stiffest():
    model = ees.MODELS["double_well"](alpha=2.0)
    ts, ys = jnp.arange(4.0), jnp.array([[0.1], [1.5], [-1.0], [jnp.nan]])
    critical = ees.critical_step(ees.Euler(), ees.spectrum(model.field, ts, ys))
    assert critical.eigenvalue == pytest.approx(2 * (1 - 3 * 1.5**2))
    assert critical.step == pytest.approx(-2 / critical.eigenvalue.real, rel=1e-10)
    assert critical.time == 1.0


def test_the_critical_step_off_the_real_axis_is_where_the_ray_first_leaves():
    eigenvalues = np.array([[-1 + 3j, -1 - 3j]])
    spectrum = ees.Spectrum(jnp.zeros(1), eigenvalues)
    critical = ees.critical_step(ees.EES25(), spectrum)
    square = np.polynomial.Polynomial([1, -1 + 3j, (-1 + 3j) ** 2 / 2, (-1 + 3j) ** 3 / 8])
    conjugate = np.polynomial.Polynomial(square.coef.conj())
    roots = (square * conjugate - 1).roots()
    wanted = min(r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 1e-6)
    assert critical.step == pytest.approx(wanted, rel=1e-9)


def test_reversible_heun_has_no_stable_step_and_an_a_stable_rule_no_limit():
    decaying = ees.Spectrum(jnp.zeros(1), np.array([[-3.0, -1 + 2j]]))
    assert ees.critical_step(ees.ReversibleHeun(), decaying).step == 0
    assert ees.critical_step(ees.ImplicitMidpoint(), decaying).step == np.inf
    growing = ees.Spectrum(jnp.zeros(1), np.array([[1.0 + 0j, 2j]]))
    nothing = ees.critical_step(ees.EES25(), growing)
    assert nothing.step == np.inf and np.isnan(nothing.time)
