"""What is particular to the schemes that are reversible by algebra or by symmetry."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
import pytest

import ees


MU, SIGMA, PATHS, FINEST = 0.3, 0.8, 64, 4096
COUNTS = (256, 1024, 4096)


@pytest.fixture(scope="module")
def geometric():
    """`geometric(scheme, extra)`: the root mean square error of many paths of geometric Brownian
    motion, against the solution with `extra * SIGMA**2` more drift, at each of `COUNTS`.
    """
    field = ees.SDE(lambda t, y: MU * y, lambda t, y: SIGMA * y, ees.Scalar())
    paths = ees.BrownianPath(jr.key(0), 0.0, 1.0, 1, (PATHS,), lattice=FINEST).values

    def errors(scheme, extra=0.0):
        @jax.jit
        def end(steps):
            def one(path):
                driver = ees.Sampled(path, 0.0, 1.0, steps)
                return ees.solve(field, scheme, driver, jnp.ones(1)).ys[0, 0]

            return jax.vmap(one, in_axes=1)(paths)

        exact = jnp.exp(MU + extra * SIGMA**2 + SIGMA * paths[-1])
        return [float(jnp.sqrt(jnp.mean((end(steps) - exact) ** 2))) for steps in COUNTS]

    return errors


STRATONOVICH = (
    ees.ReversibleHeun(),
    ees.AsynchronousLeapfrog(),
    ees.ImplicitMidpoint(),
    ees.McCallumFosterMidpoint(),
    ees.McCallumFoster(ees.EES25(), 0.9),
)


@pytest.mark.parametrize("scheme", STRATONOVICH, ids=lambda scheme: scheme.name)
def test_with_noise_that_feels_the_state_the_stratonovich_solution_is_found(
    geometric, scheme, slope
):
    errors = geometric(scheme)
    assert errors[-1] < 1e-3
    assert slope([1 / n for n in COUNTS], errors) > 0.75


@pytest.mark.parametrize(
    "scheme, extra",
    [
        (ees.Euler(), -0.5),
        (ees.AsynchronousLeapfrog(0.75), (0.75 - 1) / 2),
        (ees.McCallumFoster(ees.Euler(), 0.5), 0.5),
    ],
    ids=["Euler", "damped leapfrog", "McCallum-Foster on Euler"],
)
def test_other_schemes_have_the_other_limits_that_their_docstrings_name(
    geometric, scheme, extra, slope
):
    errors = geometric(scheme, extra)
    assert errors[-1] < 0.03
    assert slope([1 / n for n in COUNTS], errors) > 0.4
    assert geometric(scheme)[-1] > 5 * errors[-1]


def test_with_general_noise_asynchronous_leapfrog_converges_too(slope):
    def diffusion(t, y):
        return jnp.array([[1.0, 0.0], [0.0, 0.0]]) * jnp.cos(y[1]) + jnp.array(
            [[0.0, 1.0], [0.0, 1.0]]
        ) * jnp.sin(y[0] + 1)

    field = ees.SDE(lambda t, y: -y, diffusion, ees.General())
    paths = ees.BrownianPath(jr.key(1), 0.0, 1.0, 1, (32, 2), lattice=FINEST).values

    def ends(scheme, counts):
        @jax.jit
        def end(steps):
            def one(path):
                driver = ees.Sampled(path, 0.0, 1.0, steps)
                return ees.solve(field, scheme, driver, jnp.array([0.5, -0.3])).ys[0]

            return jax.vmap(one, in_axes=1)(paths)

        return [end(steps) for steps in counts]

    counts = (16, 64, 256)
    (exact,) = ends(ees.RK4(), [FINEST])
    errors = [
        float(jnp.sqrt(jnp.mean((found - exact) ** 2)))
        for found in ends(ees.AsynchronousLeapfrog(), counts)
    ]
    assert 0.35 < slope([1 / n for n in counts], errors) < 0.75


@pytest.mark.parametrize("coupling", [0.0, -0.1, 1.1, float("nan")])
def test_a_coupling_out_of_range_is_refused(coupling):
    with pytest.raises(ValueError, match=f"coupling={coupling}: .* above 0 and up to 1"):
        ees.McCallumFoster(coupling=coupling)


@pytest.mark.parametrize("damping", [0.0, 0.5, -1.0, 1.5, float("nan")])
def test_a_damping_out_of_range_is_refused(damping):
    with pytest.raises(ValueError, match=f"damping={damping}: .* but 1/2"):
        ees.AsynchronousLeapfrog(damping)


def test_a_base_that_is_no_runge_kutta_scheme_is_refused():
    with pytest.raises(ValueError, match="base=ReversibleHeun.*an ees.RungeKutta"):
        ees.McCallumFoster(ees.ReversibleHeun())


@pytest.mark.parametrize("make", [ees.McCallumFosterMidpoint, ees.AsynchronousLeapfrog])
def test_one_program_serves_all_values_of_the_parameter_of_a_family(make):
    traces, field, driver = [], ees.ODE(lambda t, y: jnp.sin(y)), ees.Clock(0.0, 1.0, 20)

    @eqx.filter_jit
    def there_and_back(scheme):
        traces.append(1)
        end = ees.solve(field, scheme, driver, jnp.ones(2))
        return end.ys[0], ees.reverse(field, scheme, driver, end.state).ys[0]

    values = (1.0, 0.9, 0.8)
    ends, starts = zip(*(there_and_back(make(value)) for value in values))
    assert len(traces) == 1
    assert len({float(end[0]) for end in ends}) == 3
    # The damped leapfrog divides by 0.6 at each of 20 steps back.
    np.testing.assert_allclose(starts, np.ones((3, 2)), rtol=0, atol=1e-9)
    traced = jax.jit(lambda value: ees.solve(field, make(value), driver, jnp.ones(2)).ys[0])
    np.testing.assert_allclose(traced(0.8), ends[2], rtol=1e-14)


def test_mccallum_foster_on_euler_is_stable_as_far_as_one_minus_its_coupling():
    def largest(z, coupling):
        field = ees.ODE(lambda t, y: z * y)
        driver = ees.Clock(0.0, 400.0, 400)
        scheme = ees.McCallumFoster(ees.Euler(), coupling)
        return float(jnp.abs(ees.solve(field, scheme, driver, jnp.ones(1)).ys).max())

    for coupling in (0.5, 0.8):
        assert largest(-0.9 * (1 - coupling), coupling) < 0.1
        assert largest(-1.1 * (1 - coupling), coupling) > 10


def _pendulum(t, y):
    return jnp.stack([y[1], -jnp.sin(y[0]) + 0.1 * t])


def test_implicit_midpoint_solves_its_equation():
    field, t, dx = ees.ODE(_pendulum), jnp.asarray(0.4), ees.Increment(jnp.asarray(0.5))
    scheme, y0 = ees.ImplicitMidpoint(), jnp.array([0.7, -0.2])
    state = scheme.step(field, t, scheme.init(field, t, y0), dx)
    y1, middle = np.asarray(state.y), (np.asarray(y0) + np.asarray(state.y)) / 2
    slope = np.array([middle[1], -np.sin(middle[0]) + 0.1 * (0.4 + 0.25)])
    np.testing.assert_allclose(y1, np.asarray(y0) + 0.5 * slope, rtol=0, atol=2e-16)
    assert 0 <= float(state.residual) < 1e-14
    assert 3 <= int(state.evaluations) <= scheme.evaluations


def test_the_published_row_of_implicit_midpoint_on_the_inverse_square_attraction():
    field, y0 = ees.MODELS["kepler"]().field, jnp.array([1.0, 0.0, 0.0, 1.0])
    scheme, driver = ees.ImplicitMidpoint(), ees.Clock(0.0, 10.0, 100)
    there = ees.solve(field, scheme, driver, y0)
    exact = np.array([np.cos(10), np.sin(10), -np.sin(10), np.cos(10)])
    assert f"{np.linalg.norm(there.ys[0] - exact):.5f}" == "0.10063"
    back = ees.reverse(field, scheme, driver, there.state)
    assert np.linalg.norm(back.ys[0] - y0) < 5e-13
    assert int(there.evaluations) == int(there.state.evaluations)
    assert int(back.evaluations) == int(back.state.evaluations) - int(there.evaluations)


@pytest.mark.parametrize("adjoint", [ees.FullBackprop(), ees.StoredStates(), ees.Reversible()])
def test_the_gradient_of_implicit_midpoint_is_that_of_the_solution_of_its_equation(adjoint):
    class Bend(eqx.Module):
        strength: jax.Array

        def __call__(self, t, y):
            return _pendulum(t, self.strength * y)

    @jax.jit
    def end(strength, y0):
        field, driver = ees.ODE(Bend(strength)), ees.Clock(0.0, 2.0, 5)
        return ees.solve(field, ees.ImplicitMidpoint(), driver, y0, adjoint=adjoint).ys[0, 0]

    at, eps = (jnp.asarray(0.9), jnp.array([0.7, -0.2])), 1e-5
    by_strength, by_y0 = jax.grad(end, argnums=(0, 1))(*at)
    ahead, behind = end(at[0] + eps, at[1]), end(at[0] - eps, at[1])
    assert float(by_strength) == pytest.approx(float(ahead - behind) / (2 * eps), rel=1e-8)
    for i, unit in enumerate(np.eye(2)):
        ahead, behind = end(at[0], at[1] + eps * unit), end(at[0], at[1] - eps * unit)
        assert float(by_y0[i]) == pytest.approx(float(ahead - behind) / (2 * eps), rel=1e-8)


def test_a_parameter_that_the_drift_closes_over_is_differentiated_too():
    # dy = -theta y^2, whose solution at 1 from 1 is 1 / (1 + theta).
    def end(theta):
        field, driver = ees.ODE(lambda t, y: -theta * y**2), ees.Clock(0.0, 1.0, 40)
        scheme, adjoint = ees.ImplicitMidpoint(), ees.FullBackprop()
        return ees.solve(field, scheme, driver, jnp.ones(1), adjoint=adjoint).ys[0, 0]

    assert float(jax.grad(end)(0.3)) == pytest.approx(-1 / 1.3**2, rel=1e-4)


def test_an_equation_that_newton_cannot_solve_in_time_says_so_in_its_residual():
    field, driver = ees.ODE(lambda t, y: -(y**3)), ees.Clock(0.0, 20.0, 2)
    short = ees.solve(field, ees.ImplicitMidpoint(max_iterations=1), driver, jnp.full(1, 5.0))
    enough = ees.solve(field, ees.ImplicitMidpoint(max_iterations=40), driver, jnp.full(1, 5.0))
    assert float(short.state.residual) > 1 > 1e-10 > float(enough.state.residual)
    assert int(short.evaluations) == 2 * 3


def test_a_looser_tolerance_takes_fewer_evaluations():
    field, driver = ees.ODE(_pendulum), ees.Clock(0.0, 4.0, 8)
    y0 = jnp.array([0.7, -0.2])
    made = [
        int(ees.solve(field, ees.ImplicitMidpoint(tolerance), driver, y0).evaluations)
        for tolerance in (None, 1e-3)
    ]
    assert made[1] < made[0] <= 8 * ees.ImplicitMidpoint().evaluations


@pytest.mark.parametrize(
    "options, message",
    [
        ({"tolerance": 0.0}, "tolerance=0.0"),
        ({"tolerance": float("nan")}, "tolerance=nan"),
        ({"max_iterations": 0}, "max_iterations=0"),
        ({"max_iterations": 2.5}, "max_iterations=2.5"),
    ],
)
def test_bad_options_of_implicit_midpoint_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ees.ImplicitMidpoint(**options)
