"""Rough equations: how well a scheme finds its way back along fractional Brownian motion."""

import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees


HURSTS = (0.4, 0.5, 0.6)
COUNTS = tuple(2**k for k in range(4, 10))


def _fields(t, y):
    return jnp.stack([jnp.cos(y), jnp.sin(y)], axis=-1)


# dy = cos(y) dX1 + sin(y) dX2 on [0, 1] from 1, the rough equation of arXiv 2509.20599.
FIELD, Y0 = ees.SDE(lambda t, y: 0 * y, _fields, ees.General()), jnp.ones(1)


def _recovery(scheme):
    """The slope of the mean log error of the recovered start, over 40 paths, at each of HURSTS."""

    @jax.jit
    def error(values, steps):
        def one(path):
            driver = ees.Sampled(path, 0.0, 1.0, steps)
            end = ees.solve(FIELD, scheme, driver, Y0).state
            return jnp.abs(ees.reverse(FIELD, scheme, driver, end).ys[0] - Y0)[0]

        return jnp.mean(jnp.log(jax.vmap(one, in_axes=1)(values)))

    slopes = []
    for hurst in HURSTS:
        paths = ees.FractionalBrownian(
            jr.key(3), hurst, 0.0, 1.0, 1, (40, 2), lattice=COUNTS[-1]
        ).values
        logs = [float(error(paths, steps)) for steps in COUNTS]
        slopes.append(np.polyfit(-np.log(COUNTS), logs, 1)[0])
    return np.array(slopes)


ANTISYMMETRIC = {"EES25": 5, "EES27": 7, "RK4": 5, "Heun": 3}


@pytest.mark.parametrize("name", ANTISYMMETRIC)
def test_the_start_is_recovered_at_the_rate_of_the_antisymmetric_order(name):
    # The theorem: (m + 1) H - 1, as if the errors of all steps added up; if they were independent
    # it would be a half more. Forty paths over five octaves lie between, with 0.2 to spare below.
    # An antisymmetric order two lower or higher would be at least 0.8 away.
    rate = ANTISYMMETRIC[name] + 1
    beyond = _recovery(ees.SCHEMES[name]()) - (rate * np.array(HURSTS) - 1)
    assert (beyond > -0.2).all() and (beyond < 0.5).all()


def test_along_a_rough_path_a_solve_approaches_the_solution_along_finer_steps(slope):
    # The rate to expect is 2H - 1/2: 0.3 at H = 0.4, however high the order of the scheme.
    paths = ees.FractionalBrownian(jr.key(3), 0.4, 0.0, 1.0, 1, (40, 2), lattice=2**14).values

    @jax.jit
    def end(steps):
        def one(path):
            return ees.solve(FIELD, ees.EES25(), ees.Sampled(path, 0.0, 1.0, steps), Y0).ys[0]

        return jax.vmap(one, in_axes=1)(paths)

    exact = end(2**14)
    errors = [float(jnp.exp(jnp.mean(jnp.log(jnp.abs(end(n) - exact))))) for n in COUNTS]
    assert slope([1 / n for n in COUNTS], errors) == pytest.approx(0.3, abs=0.15)
