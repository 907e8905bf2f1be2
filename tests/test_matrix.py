"""Every scheme with every noise under every adjoint: the way back, the gradient, the precision."""

import functools

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ees


NOISES = {"ode": None, "additive": (3,), "scalar": (), "diagonal": (2,), "general": (3,)}
# Step counts at which the leading term of an error is all of it, and round-off none of it.
COUNTS, LATTICE = (16, 24, 48), 48
ADJOINTS = {
    "full backprop": ees.FullBackprop(LATTICE),
    "stored states": ees.StoredStates(LATTICE),
    "recursive checkpoints": ees.RecursiveCheckpoint(LATTICE),
    "reversible": ees.Reversible(),
    "reversible, every fourth kept": ees.Reversible(4, max_steps=LATTICE),
    "continuous": ees.Continuous(),
}
REBUILT = ("reversible", "reversible, every fourth kept")
CASES = pytest.mark.parametrize(
    "name, noise", [(name, noise) for name in ees.SCHEMES for noise in NOISES]
)


def _paths(shape, horizon):
    """Two smooth paths and a rough one, `(3, LATTICE + 1, *shape)`.

    The smooth ones are the first three terms of the expansion of Karhunen and Loeve of Brownian
    motion: along them a scheme has its full order, whatever the noise. The rough one is Brownian.
    """
    random, t = np.random.default_rng(0), np.linspace(0, 1, LATTICE + 1)
    waves = np.pi * (np.arange(3) + 0.5)
    waves = np.sqrt(2 * horizon) * np.sin(t[:, None] * waves) / waves
    smooth = [np.tensordot(waves, random.standard_normal((3, *shape)), 1) for _ in range(2)]
    cells = np.sqrt(horizon / LATTICE) * random.standard_normal((LATTICE, *shape))
    return np.stack([*smooth, np.concatenate([np.zeros((1, *shape)), cells.cumsum(axis=0)])])


@pytest.fixture(scope="module")
def gradients(problem):
    """`gradients(name, noise, dtype, steps)`: for each adjoint a loss, its derivatives by the
    parameters and the start in a row, and those by the driver, along each of three paths; then
    what comes back of the start, less the start.
    """

    def loss(parts, driver, scheme, adjoint):
        field, y0, *path = parts
        # The cotangents of five values: they enter on the way.
        solution = ees.solve(field, scheme, *path or (driver,), y0, adjoint=adjoint, save=5)
        ys = solution.ys
        weights = jnp.cos(1 + jnp.arange(ys.size, dtype=ys.dtype)).reshape(ys.shape)
        return jnp.sum(jnp.sin(2 * ys) * weights), solution.state

    @eqx.filter_jit
    def along_all(scheme, noise, y0s, paths, horizon, steps):
        field, _, _ = problem(noise, LATTICE, dtype=y0s.dtype)

        def along(y0, path):
            found, by = {}, eqx.filter_value_and_grad(loss, has_aux=True)
            if path is None:
                driver = ees.Clock(0.0, horizon, steps, dtype=y0.dtype)
            else:
                driver = ees.Sampled(path, 0.0, horizon, steps)
            for key, adjoint in ADJOINTS.items():
                # An implicit scheme would solve for the derivatives by all of the path at once.
                dear = key == "continuous" and isinstance(scheme, ees.ImplicitMidpoint)
                parts = (field, y0) if dear else (field, y0, driver)
                (value, end), gradient = by(parts, driver, scheme, adjoint)
                found[key] = value, *(ravel_pytree(g)[0] for g in (gradient[:2], gradient[2:]))
            return found, ees.reverse(field, scheme, driver, end).ys[0] - y0

        return jax.vmap(along)(y0s, paths)

    @functools.cache
    def ask(name, noise, dtype, steps):
        scheme, shape, horizon = ees.SCHEMES[name](), NOISES[noise], 1.0
        if isinstance(scheme, ees.RungeKutta):
            # At order 7, errors are round-off before the steps are small.
            horizon = 1.5 if ees.antisymmetric_order(scheme) >= 7 else 1.0
            # Coefficients are arrays: under one name, one program serves all of so many stages.
            scheme = ees.RungeKutta(scheme.tableau)
        y0s = jnp.array([[0.5, -0.3], [0.2, 0.4], [-0.4, 0.6]], dtype)
        paths = None if shape is None else jnp.asarray(_paths(shape, horizon), dtype)
        return along_all(
            scheme, noise, y0s, paths, jnp.asarray(horizon, dtype), jnp.asarray(steps)
        )

    return ask


def _relative(found, wanted):
    """Path by path."""
    return np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)


@CASES
def test_every_adjoint_of_the_discrete_solution_agrees_with_full_backprop(gradients, name, noise):
    found, back = gradients(name, noise, jnp.float64, LATTICE)
    values, *wanted = found["full backprop"]
    assert min(np.abs(part).max(axis=1).min() for part in wanted) > 1e-3
    exact = {"stored states": 1e-12, "recursive checkpoints": 1e-12}
    if ees.SCHEMES[name]().algebraic:
        exact |= dict.fromkeys(REBUILT, 1e-10)
        assert np.abs(back).max() < 1e-11
    for key, (value, *parts) in found.items():
        np.testing.assert_allclose(value, values, rtol=1e-14, err_msg=key)
        for part, right in zip(parts, wanted):
            if key in exact:
                assert _relative(part, right).max() < exact[key], key


@CASES
def test_every_adjoint_in_float32_gives_what_it_gives_in_float64(gradients, name, noise):
    doubles, singles = (gradients(name, noise, t, LATTICE)[0] for t in (jnp.float64, jnp.float32))
    for key, parts in singles.items():
        for found, wanted in zip(parts, doubles[key]):
            assert found.dtype == jnp.float32
            if wanted.size:
                # Up to the rounding of 48 steps.
                found, wanted = found.reshape(3, -1), wanted.reshape(3, -1)
                assert _relative(found, wanted).max() < 3e-5, key


@pytest.fixture
def errors(gradients):
    """`errors(name, noise, key)`: of an adjoint along the smooth paths, at each step count, the
    distance to full backprop by parameters and start, and by the driver, relative to its size.
    """

    def ask(name, noise, key):
        rows = []
        for steps in COUNTS:
            found, _ = gradients(name, noise, jnp.float64, steps)
            rows.append(
                [
                    np.linalg.norm(_relative(part, wanted)[:2])
                    for part, wanted in zip(found[key][1:], found["full backprop"][1:])
                    if part.size
                ]
            )
        return np.array(rows).T

    return ask
