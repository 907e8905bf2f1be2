"""Reconstruction and gradients, each against a second computation that shares no code with it."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees


RUNGE_KUTTA = [n for n, make in ees.SCHEMES.items() if isinstance(make(), ees.RungeKutta)]


def _drift(t, y, xp=np):
    return xp.stack([xp.sin(2 * y[1]) + t, y[0] * y[1] - xp.cos(y[0])])


def _diffusion(t, y, xp=np):
    return xp.stack([0.3 + 0.2 * y[1], 0.4 * xp.cos(y[0] + t)])


FIELD = ees.SDE(lambda t, y: _drift(t, y, jnp), lambda t, y: _diffusion(t, y, jnp), ees.Diagonal())
START = np.array([0.5, -0.3])


def _reversible_heun(t, pair, dt, dw):
    """One step in NumPy, in either direction, of arXiv 2105.13493."""

    def f(t, v):
        return _drift(t, v) * dt + _diffusion(t, v) * dw

    y, v = pair
    following = 2 * y - v + f(t, v)
    return y + (f(t, v) + f(t + dt, following)) / 2, following


def _there_and_back(name, ts, dws, butcher_step):
    """All values of a forward pass, and of the backward pass from its end, in NumPy."""
    scheme = ees.SCHEMES[name]()
    if isinstance(scheme, ees.RungeKutta):
        state, read = START, lambda state: state

        def step(*at):
            return butcher_step(scheme.tableau, _drift, _diffusion, *at)

    else:
        state, read, step = (START, START), lambda state: state[0], _reversible_heun
    dt = ts[1] - ts[0]
    there = [read(state)]
    for t, dw in zip(ts, dws):
        state = step(t, state, dt, dw)
        there.append(read(state))
    back = [read(state)]
    for t, dw in zip(ts[:0:-1], dws[::-1]):
        state = step(t, state, -dt, -dw)
        back.append(read(state))
    return np.array(there), np.array(back[::-1])


@pytest.mark.parametrize(
    "name, save",
    [("EES25", 13), ("EES25", 16), *((n, 31) for n in (*RUNGE_KUTTA, "ReversibleHeun"))],
)
def test_reconstruction_is_that_of_an_independent_computation(name, save, butcher_step):
    steps = 15
    driver = ees.BrownianPath(jr.key(4), 0.0, 1.5, steps, (2,), lattice=120)
    found = ees.reconstruction(FIELD, ees.SCHEMES[name](), driver, START, save=save)
    path = np.asarray(driver.values)[:: 120 // steps]
    ts = np.linspace(0.0, 1.5, steps + 1)
    there, back = _there_and_back(name, ts, np.diff(path, axis=0), butcher_step)
    # 13 and 31 points fall between steps, and both passes are compared at the same step.
    at = np.round(np.asarray(found.ts) / (ts[1] - ts[0])).astype(int)
    assert set(np.diff(at)) <= {0, 1, 2}
    ts, there, back = ts[at], there[at], back[at]
    np.testing.assert_allclose(found.ts, ts, atol=1e-14)
    np.testing.assert_allclose(found.forward, there, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.backward, back, rtol=0, atol=1e-10)
    wanted = np.linalg.norm(there - back, axis=1)
    np.testing.assert_allclose(found.error, wanted, rtol=0, atol=1e-10)
    assert float(found.error[-1]) == 0.0
    if isinstance(ees.SCHEMES[name](), ees.RungeKutta):
        assert wanted[0] > 1e-8


def test_reversible_heun_comes_back_to_twelve_digits():
    driver = ees.Brownian(jr.key(1), 0.0, 2.0, 400, (2,))
    found = ees.reconstruction(FIELD, ees.ReversibleHeun(), driver, START, save=50)
    assert float(found.error.max()) < 1e-12


SLOPES = {"EES25": 5, "EES27": 7, "Euler": 1, "Heun": 3, "Midpoint": 3, "RK4": 5}


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_the_error_at_the_start_falls_with_the_antisymmetric_order(name, slope):
    field = ees.ODE(lambda t, y: _drift(t, y, jnp))
    scheme, clock = ees.SCHEMES[name](), ees.Clock(0.0, 1.0, 1)
    order = ees.antisymmetric_order(scheme)
    counts = (12, 16, 20, 24) if order >= 7 else (64, 96, 128, 192)
    errors = [
        float(ees.reconstruction(field, scheme, clock.with_steps(n), START).error[0])
        for n in counts
    ]
    assert min(errors) > 30 * np.finfo(float).eps
    found = slope([1 / n for n in counts], errors)
    assert abs(found - order) < 0.3
    assert abs(found - SLOPES.get(name, order)) < 0.3


def test_other_step_counts_compile_nothing_again(compilations):
    driver = ees.BrownianPath(jr.key(4), 0.0, 2.0, 1, (2,), lattice=120)

    def ask(steps):
        along = driver.with_steps(steps)
        found = ees.reconstruction(FIELD, ees.EES25(), along, START, save=5)
        gradient = ees.gradient_discrepancy(FIELD, ees.EES25(), along, START, max_steps=120)
        return float(found.ts[-1]), float(gradient.cosine)

    ask(2)
    with compilations() as found:
        for steps in (1, 3, 24, 120):
            ask(steps)
    assert len(found) == 0


class Cubic(eqx.Module):
    """A drift with a parameter of each shape, one of them an integer that has no gradient."""

    weights: jax.Array
    shift: jax.Array
    power: int

    def __call__(self, t, y):
        return self.weights @ y - self.shift * y**self.power + t


def _by_hand(step, field, table, driver, y0):
    """The gradient of half the squared end by a Python loop over the tableau's definition."""

    @jax.jit
    def advance(parts, *at):
        field = eqx.combine(parts, static)
        return step(table, field.drift, field.diffusion, *at)

    def loss(parts, y):
        for i in range(driver.steps):
            y = advance(parts, i * driver.dt, y, driver.dt, driver.increment(i).dw)
        return jnp.sum(y**2) / 2

    parts, static = eqx.partition(field, eqx.is_inexact_array)
    gradient = jax.grad(loss, argnums=(0, 1))(parts, jnp.asarray(y0))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])


def _cubic(dtype=float):
    weights = jnp.array([[0.3, -1.0], [0.8, 0.1]], dtype)
    drift = Cubic(weights, jnp.asarray(0.2, dtype), 3)
    return ees.SDE(drift, lambda t, y: 0.3 * jnp.cos(y), ees.Diagonal())


@pytest.mark.parametrize("name", ["EES25", "RK4"])
def test_the_reference_gradient_is_that_of_a_plain_loop(name, butcher_step):
    field, scheme = _cubic(), ees.SCHEMES[name]()
    driver = ees.Brownian(jr.key(2), 0.0, 1.5, 5, (2,))
    wanted = _by_hand(butcher_step, field, scheme.tableau, driver, START)
    found = ees.gradient_discrepancy(field, scheme, driver, START)
    assert found.reference.shape == (4 + 1 + 2,)
    np.testing.assert_allclose(found.reference, wanted, rtol=1e-12)
    g = np.asarray(found.gradient)
    off = np.linalg.norm(g - wanted) / np.linalg.norm(wanted)
    assert 1e-9 < off < 0.1
    assert float(found.relative_l2) == pytest.approx(off, rel=1e-5)
    cosine = g @ wanted / np.linalg.norm(g) / np.linalg.norm(wanted)
    assert float(found.cosine) == pytest.approx(cosine, abs=1e-12)


@pytest.mark.parametrize("adjoint", [ees.FullBackprop(20), ees.RecursiveCheckpoint(20)])
def test_an_exact_adjoint_has_no_discrepancy(adjoint):
    driver = ees.Brownian(jr.key(2), 0.0, 1.5, 20, (2,))
    found = ees.gradient_discrepancy(_cubic(), ees.EES25(), driver, START, adjoint=adjoint)
    assert float(found.relative_l2) < 1e-13
    assert float(found.cosine) == pytest.approx(1.0, abs=1e-14)


def test_another_loss_is_differentiated_instead():
    driver = ees.Brownian(jr.key(2), 0.0, 1.5, 20, (2,))
    first = ees.gradient_discrepancy(
        _cubic(), ees.ReversibleHeun(), driver, START, loss=lambda y: y[0]
    )
    # Of y_0(T) alone, the gradient with respect to y0 is the first row of the Jacobian.
    row = jax.grad(lambda y0: ees.solve(_cubic(), ees.ReversibleHeun(), driver, y0).ys[0, 0])
    np.testing.assert_allclose(first.reference[-2:], row(jnp.asarray(START)), rtol=1e-12)
    assert float(first.relative_l2) < 1e-12


def test_a_float32_gradient_is_compared_with_float64_on_the_same_noise():
    field, y0 = _cubic(jnp.float32), START.astype(np.float32)
    driver = ees.Brownian(jr.key(2), 0.0, 1.5, 40, (2,), dtype=jnp.float32)
    found = ees.gradient_discrepancy(field, ees.ReversibleHeun(), driver, y0)
    assert found.gradient.dtype == found.reference.dtype == jnp.float64
    assert 1e-9 < float(found.relative_l2) < 1e-5


class Pull(eqx.Module):
    """A linear pull to the origin, its rate a parameter."""

    rate: jax.Array

    def __call__(self, t, y):
        return -self.rate * y


def _pull(rate):
    return ees.ODE(Pull(jnp.asarray(float(rate))))


def test_where_the_step_forgets_the_state_the_way_back_cannot_find_it():
    # R(z) = 1 + z + z^2/2 + z^3/8 has its zero at z = -2: one step maps every state to 0.
    clock = ees.Clock(0.0, 1.0, 10)
    field = _pull(20.0)
    found = ees.reconstruction(field, ees.EES25(), clock, np.array([1.0]), save=11)
    np.testing.assert_allclose(found.forward[1:, 0], 0.0, atol=1e-15)
    np.testing.assert_allclose(found.error[0], 1.0, atol=1e-12)
    # Heun's R(-2) is 1, so it comes back with R(2)^10 R(-2)^10 = 5^10 instead.
    heun = ees.reconstruction(field, ees.Heun(), clock, np.array([1.0]))
    np.testing.assert_allclose(heun.error[0], 5.0**10 - 1, rtol=1e-12)


@pytest.mark.parametrize("z", [-0.5, 0.3, 1.0])
def test_on_a_linear_equation_the_error_is_that_of_the_stability_function(z):
    # There and back multiplies by (R(z) R(-z))^N, with R(z) R(-z) = 1 - z^6 / 64 exactly.
    steps = 6
    found = ees.reconstruction(
        _pull(-z * steps), ees.EES25(), ees.Clock(0.0, 1.0, steps), np.array([1.0])
    )
    np.testing.assert_allclose(found.error[0], 1 - (1 - z**6 / 64) ** steps, atol=1e-13)


@pytest.mark.parametrize("precision", [jnp.float64, jnp.float32])
def test_under_strong_contraction_ees_loses_the_start_and_keeps_the_gradient(precision):
    # dy = -40 y dt + (1 + sin(y)^2) / 2 o dW to T = 1: backwards, errors grow by exp(40). But
    # where states are forgotten so are their errors, for a scheme that contracts as well.
    field = ees.SDE(
        Pull(jnp.asarray(40.0, precision)), lambda t, y: 0.5 + jnp.sin(y) ** 2, ees.Diagonal()
    )
    driver = ees.Brownian(jr.key(6), 0.0, 1.0, 1000, (2,), dtype=precision)
    y0 = START.astype(precision)
    recovered = ees.reconstruction(field, ees.EES25(), driver, y0)
    found = ees.gradient_discrepancy(field, ees.EES25(), driver, y0)
    heun = ees.gradient_discrepancy(field, ees.ReversibleHeun(), driver, y0)
    assert float(recovered.error[0]) > 1e6
    assert float(found.relative_l2) < 1e-5
    assert float(found.cosine) == pytest.approx(1.0, abs=1e-9)
    # In float32 it is not even finite.
    assert not float(heun.relative_l2) < 1e6


def test_without_float64_there_is_no_reference():
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="jax_enable_x64=False: .* float64"):
            ees.gradient_discrepancy(_pull(1.0), ees.EES25(), ees.Clock(0.0, 1.0, 4), [1.0])
    finally:
        jax.config.update("jax_enable_x64", True)


def test_a_fine_reference_tells_the_scheme_s_own_error_from_the_adjoint_s(problem, slope):
    field, driver, y0 = problem("diagonal", 8, lattice=1024)
    counts, scheme = np.array([8, 16, 32, 64]), ees.EES25()
    found = [
        ees.gradient_discrepancy(
            field, scheme, driver.with_steps(int(n)), y0, fine=1024, max_steps=64
        )
        for n in counts
    ]
    own = [float(f.discretisation) for f in found]
    # The noise does not commute with the drift: strong order 1/2 to 1 along one path.
    assert 0.4 < slope(1 / counts, own) < 1.6
    # The adjoint errs far less than the scheme, and falls faster.
    assert all(f.relative_l2 < 1e-3 * f.discretisation for f in found)
    exact = ees.gradient_discrepancy(
        field, ees.RK4(), driver.with_steps(1024), y0, adjoint=ees.FullBackprop(max_steps=1024)
    )
    np.testing.assert_allclose(found[0].fine, exact.gradient, rtol=1e-11, atol=1e-13)
    wanted = np.linalg.norm(found[0].reference - exact.gradient) / np.linalg.norm(exact.gradient)
    assert own[0] == pytest.approx(wanted, rel=1e-9)


def test_a_fine_reference_needs_a_path_that_stays(problem):
    field, driver, y0 = problem("diagonal", 8)
    counter = ees.Brownian(jax.random.key(0), 0.0, 1.0, 8, (2,))
    with pytest.raises(ValueError, match="fine=64: .*another path; take ees.BrownianPath"):
        ees.gradient_discrepancy(field, ees.EES25(), counter, y0, fine=64)
    with pytest.raises(ValueError, match="steps=7"):
        ees.gradient_discrepancy(field, ees.EES25(), driver, y0, fine=7)
