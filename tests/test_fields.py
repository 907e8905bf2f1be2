"""Fields are bilinear where they promise it, and refuse noise that does not fit."""

import jax, jax.numpy as jnp
import numpy as np
import pytest

import ees


Y = jnp.array([0.3, -0.7])
T = jnp.asarray(0.4)
NOISES = ("ode", "additive", "diagonal")


def _increment(noise, seed):
    rng = np.random.default_rng(seed)
    if noise == "ode":
        return ees.Increment(jnp.asarray(rng.normal()))
    shape = 3 if noise == "additive" else 2
    return ees.Increment(jnp.asarray(rng.normal()), jnp.asarray(rng.normal(size=shape)))


@pytest.mark.parametrize("noise", NOISES)
def test_contract_is_linear_in_the_increment(problem, noise):
    field, *_ = problem(noise, 4)
    first, second = _increment(noise, 1), _increment(noise, 2)
    mixed = jax.tree.map(lambda a, b: 2 * a - 3 * b, first, second)
    found = field(T, Y, mixed)
    np.testing.assert_allclose(found, 2 * field(T, Y, first) - 3 * field(T, Y, second), atol=1e-14)


@pytest.mark.parametrize("noise", NOISES)
def test_contract_is_linear_in_the_coefficients(problem, noise):
    field, *_ = problem(noise, 4)
    dx = _increment(noise, 3)
    here, there = field.coefficients(T, Y), field.coefficients(T, 2 * Y)
    mixed = jax.tree.map(lambda a, b: 2 * a - 3 * b, here, there)
    wanted = 2 * field.contract(here, dx) - 3 * field.contract(there, dx)
    np.testing.assert_allclose(field.contract(mixed, dx), wanted, atol=1e-14)


def test_an_ode_is_its_drift_times_dt():
    field = ees.ODE(lambda t, y: jnp.sin(y) * t)
    np.testing.assert_allclose(
        field(T, Y, ees.Increment(jnp.asarray(0.1))), 0.1 * 0.4 * np.sin(np.asarray(Y)), rtol=1e-15
    )


def test_an_sde_is_drift_dt_plus_diffusion_dw():
    dx = ees.Increment(jnp.asarray(0.1), jnp.array([0.2, -0.3]))
    field = ees.SDE(lambda t, y: -y, lambda t, y: jnp.cos(y), ees.Diagonal())
    y, dw = np.asarray(Y), np.asarray(dx.dw)
    np.testing.assert_allclose(field(T, Y, dx), -0.1 * y + np.cos(y) * dw, rtol=1e-14)


def test_additive_noise_multiplies_a_matrix_and_batches():
    matrix = np.arange(6.0).reshape(2, 3)
    field = ees.SDE(lambda t, y: 0 * y, lambda t, y: jnp.asarray(matrix), ees.Additive())
    dw = np.array([0.5, -1.0, 2.0])
    dx = ees.Increment(jnp.asarray(0.1), jnp.asarray(dw))
    np.testing.assert_allclose(field(T, Y, dx), matrix @ dw)
    many = ees.Increment(jnp.asarray(0.1), jnp.stack([dw, 2 * dw]))
    batch = field(T, jnp.stack([Y, Y]), many)
    np.testing.assert_allclose(batch, np.stack([matrix @ dw, 2 * matrix @ dw]))


@pytest.mark.parametrize("noise, shape", [("ode", None), ("additive", (3,)), ("diagonal", (2,))])
def test_a_field_says_what_noise_it_needs(problem, noise, shape):
    field, _, y0 = problem(noise, 4)
    assert field.noise_shape(T, y0) == shape


@pytest.mark.parametrize(
    "noise, diffusion, message",
    [
        (ees.Diagonal(), jnp.ones(3), r"diffusion has shape \(3,\).*Diagonal.*state, \(2,\)"),
        (ees.Diagonal(), jnp.ones((2, 2)), r"diffusion has shape \(2, 2\).*Diagonal"),
        (ees.Additive(), jnp.ones(2), r"diffusion has shape \(2,\).*Additive.*\(\.\.\., 2, m\)"),
        (ees.Additive(), jnp.ones((3, 2)), r"diffusion has shape \(3, 2\).*Additive"),
        (ees.General(), jnp.ones((3, 2)), r"diffusion has shape \(3, 2\).*General.*\(\.\.\., 2, m\)"),
        (ees.Scalar(), jnp.ones(()), r"diffusion has shape \(\).*Scalar.*state, \(2,\)"),
    ],
)
def test_a_diffusion_of_the_wrong_shape_is_refused(noise, diffusion, message):
    field = ees.SDE(lambda t, y: -y, lambda t, y: diffusion, noise)
    driver = ees.Brownian(jax.random.key(0), 0.0, 1.0, 4, (2,))
    with pytest.raises(ValueError, match=message):
        ees.solve(field, ees.Heun(), driver, Y)


def test_the_state_of_an_ode_may_be_any_tree():
    field = ees.ODE(lambda t, y: {"a": -y["a"], "b": (y["b"][0] * 2,)})
    y0 = {"a": jnp.ones(3), "b": (jnp.ones((2, 2)),)}
    end = ees.solve(field, ees.RK4(), ees.Clock(0.0, 1.0, 50), y0).ys
    np.testing.assert_allclose(end["a"], np.exp(-1) * np.ones((1, 3)), rtol=1e-7)
    np.testing.assert_allclose(end["b"][0], np.exp(2) * np.ones((1, 2, 2)), rtol=1e-6)


def _euler_in_numpy(noise, y, dt, dw):
    """y + f dt + g dW for the fields of `NOISE_FIELDS`, entry by entry."""
    drift = np.array([np.sin(y[1]), -y[0]])
    if noise in ("Scalar", "Diagonal"):
        return y + dt * drift + dw * np.array([np.cos(y[0]), y[0] * y[1]])
    matrix = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3]])
    if noise == "General":
        matrix = matrix * np.array([[y[0]], [np.cos(y[1])]])
    return y + dt * drift + np.array([sum(matrix[i, j] * dw[j] for j in range(3)) for i in (0, 1)])


def _drift(t, y):
    return jnp.stack([jnp.sin(y[1]), -y[0]])


def _entries(t, y):
    return jnp.stack([jnp.cos(y[0]), y[0] * y[1]])


def _constant(t, y):
    return jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3]])


def _matrix(t, y):
    return _constant(t, y) * jnp.stack([y[0], jnp.cos(y[1])])[:, None]


NOISE_FIELDS = {
    "Additive": (ees.Additive(), _constant, (3,)),
    "Scalar": (ees.Scalar(), _entries, ()),
    "Diagonal": (ees.Diagonal(), _entries, (2,)),
    "General": (ees.General(), _matrix, (3,)),
}


@pytest.mark.parametrize("noise", NOISE_FIELDS)
def test_a_step_of_euler_with_each_noise_is_the_sum_written_out(noise):
    kind, diffusion, shape = NOISE_FIELDS[noise]
    field = ees.SDE(_drift, diffusion, kind)
    assert field.noise_shape(T, Y) == shape
    driver = ees.Brownian(jax.random.key(3), 0.0, 0.1, 1, shape)
    dw = np.asarray(driver.increment(0).dw)
    found = ees.solve(field, ees.Euler(), driver, Y).ys[0]
    np.testing.assert_allclose(found, _euler_in_numpy(noise, np.asarray(Y), 0.1, dw), atol=1e-15)
