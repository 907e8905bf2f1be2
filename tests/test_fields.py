"""Fields are bilinear where they promise it, and refuse noise that does not fit."""

import jax, jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

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
        (ees.General(), jnp.ones((3, 2)), r"diffusion has shape \(3, 2\).*General"),
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


TREE = {"a": jnp.array([0.3, -0.7]), "b": (jnp.array([[1.0, 2.0, -0.5]]),)}


def _on_a_tree(kind):
    """An equation on the tree `TREE`; for matrices, on the tree without its batch axis."""
    keys = jax.random.split(jax.random.key(5), 2)
    m_a, m_b = (jax.random.normal(k, shape) for k, shape in zip(keys, ((2, 4), (3, 4))))

    def drift(t, y):
        return {"a": -y["a"] * t, "b": (jnp.sin(y["b"][0]),)}

    def entries(t, y):
        return {"a": jnp.cos(y["a"]), "b": (y["b"][0] ** 2,)}

    def matrices(t, y):
        return {"a": m_a * y["a"][:, None], "b": (m_b * y["b"][0][:, None],)}

    return ees.SDE(drift, matrices if kind == "General" else entries, getattr(ees, kind)())


@pytest.mark.parametrize("kind", ["Diagonal", "Scalar", "General"])
def test_the_state_of_an_sde_may_be_any_tree(kind):
    y0 = {"a": TREE["a"], "b": (TREE["b"][0][0],)} if kind == "General" else TREE
    field = _on_a_tree(kind)
    flat, unravel = ravel_pytree(y0)
    driver = ees.Brownian(jax.random.key(2), 0.0, 1.0, 6, field.noise_shape(T, y0))

    class Row(ees.AbstractField):
        """The same equation on the entries of the state in one row."""

        def coefficients(self, t, y):
            return field.coefficients(t, unravel(y))

        def contract(self, coefficients, dx):
            return ravel_pytree(field.contract(coefficients, dx))[0]

        def noise_shape(self, t, y):
            return field.noise_shape(t, y0)

    found = ees.solve(field, ees.EES25(), driver, y0).ys
    wanted = ees.solve(Row(), ees.EES25(), driver, flat).ys[0]
    np.testing.assert_allclose(
        ravel_pytree(jax.tree.map(lambda leaf: leaf[0], found))[0], wanted, rtol=0, atol=1e-14
    )
    assert jax.tree.structure(found) == jax.tree.structure(y0)


def test_noise_for_a_tree_is_independent_from_entry_to_entry():
    field = _on_a_tree("Diagonal")
    shape = field.noise_shape(T, TREE)
    driver = ees.Brownian(jax.random.key(2), 0.0, 1.0, 6, shape)
    dw, _ = ravel_pytree(driver.increment(1).dw)
    assert len(np.unique(np.abs(np.asarray(dw)))) == 5
    assert jax.tree.map(lambda s: s.shape, shape) == {"a": (2,), "b": ((1, 3),)}


def test_noise_of_the_wrong_tree_is_refused_with_both_shapes():
    driver = ees.Brownian(jax.random.key(2), 0.0, 1.0, 6, (5,))
    with pytest.raises(ValueError, match=r"driver=Brownian: it gives noise of shape \(5,\), .*'a'"):
        ees.solve(_on_a_tree("Diagonal"), ees.Heun(), driver, TREE)


@pytest.mark.parametrize(
    "kind, diffusion, message",
    [
        ("Diagonal", {"a": jnp.ones(2)}, "diffusion has the structure .*that of the state"),
        ("Scalar", {"a": jnp.ones(3), "b": (jnp.ones((1, 3)),)}, r"diffusion\['a'\] has shape"),
        ("General", {"a": jnp.ones((2, 4)), "b": (jnp.ones((3, 5)),)}, "same noise"),
    ],
)
def test_a_diffusion_that_does_not_fit_the_tree_is_refused(kind, diffusion, message):
    field = ees.SDE(lambda t, y: y, lambda t, y: diffusion, getattr(ees, kind)())
    y0 = {"a": TREE["a"], "b": (TREE["b"][0],)}
    if kind == "General":
        y0 = {"a": y0["a"], "b": (y0["b"][0][0],)}
    with pytest.raises(ValueError, match=message):
        field.noise_shape(T, y0)


def test_ito_geometric_brownian_motion_converts_to_the_closed_form():
    # dy = mu y dt + sigma y dW in the sense of Ito: y0 exp((mu - sigma^2 / 2) t + sigma W_t).
    mu, sigma, y0 = 0.3, 0.8, jnp.array([1.5, -0.4])
    field = ees.ito_to_stratonovich(lambda t, y: mu * y, lambda t, y: sigma * y, ees.Diagonal())
    path = ees.BrownianPath(jax.random.key(1), 0.0, 1.0, 256, (2,), lattice=256)
    found = ees.solve(field, ees.RK4(), path, y0).ys[0]
    exact = y0 * jnp.exp(mu - sigma**2 / 2 + sigma * path.values[-1])
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def _correction_in_numpy(noise, y):
    """(1/2) sum_j (Dg_j) g_j with Dg_j by central differences, noise by noise."""
    kind, diffusion, shape = NOISE_FIELDS[noise]
    size = int(np.prod(shape))

    def g(y, j):
        unit = jnp.zeros(size).at[j].set(1.0).reshape(shape)
        return np.asarray(kind.contract(diffusion(T, jnp.asarray(y)), unit))

    total, eps = np.zeros(2), 1e-6
    for j in range(size):
        here = g(y, j)
        total += (g(y + eps * here, j) - g(y - eps * here, j)) / (2 * eps)
    return total / 2


@pytest.mark.parametrize("noise", NOISE_FIELDS)
def test_the_ito_correction_is_half_the_sum_of_dg_g_over_the_noises(noise):
    kind, diffusion, _ = NOISE_FIELDS[noise]
    field = ees.ito_to_stratonovich(_drift, diffusion, kind)
    correct = jax.jit(lambda y: _drift(T, y) - field.drift(T, y))
    np.testing.assert_allclose(correct(Y), _correction_in_numpy(noise, np.asarray(Y)), atol=1e-9)
    many = jnp.stack([Y, 2 * Y, -Y])
    np.testing.assert_allclose(jax.vmap(correct)(many)[1], correct(2 * Y), atol=1e-15)
    if noise == "Additive":
        assert field.drift is _drift
    else:
        slope = jax.grad(lambda s: correct(s * Y)[0])(1.0)
        ends = [_correction_in_numpy(noise, s * np.asarray(Y))[0] for s in (1 + 1e-4, 1 - 1e-4)]
        assert float(slope) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-5)


def test_a_diagonal_noise_whose_entries_feel_each_other_is_corrected_entry_by_entry():
    # g = (y1 y2, y1): the correction is (dg1/dy1 g1, dg2/dy2 g2) / 2 = (y1 y2^2, 0) / 2.
    field = ees.ito_to_stratonovich(
        lambda t, y: 0 * y, lambda t, y: jnp.stack([y[0] * y[1], y[0]]), ees.Diagonal()
    )
    np.testing.assert_allclose(field.drift(T, Y), [-0.5 * 0.3 * 0.49, 0.0], atol=1e-16)
