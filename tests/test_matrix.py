"""Every scheme with every noise under every adjoint, in both precisions, compiled and mapped."""

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
STEP = 1 / np.array(COUNTS)
ADJOINTS = {
    "full backprop": ees.FullBackprop(LATTICE),
    "stored states": ees.StoredStates(LATTICE),
    "recursive checkpoints": ees.RecursiveCheckpoint(LATTICE),
    "reversible": ees.Reversible(),
    "reversible, every fourth kept": ees.Reversible(4, max_steps=LATTICE),
    "continuous": ees.Continuous(),
}
REBUILT = ("reversible", "reversible, every fourth kept")


def _family(name):
    """What schemes that share their programs have in common: so many stages, in one form."""
    scheme = ees.SCHEMES[name]()
    if isinstance(scheme, ees.RungeKutta):
        return f"{scheme.evaluations}-{jax.tree.map(len, scheme._moves)}"
    return name


# Those that share programs one after the other, and of each family a job.
CASES = [
    pytest.param(
        (name, noise), marks=pytest.mark.xdist_group(f"matrix-{family}"), id=f"{name}-{noise}"
    )
    for family in dict.fromkeys(map(_family, ees.SCHEMES))
    for noise in NOISES
    for name in ees.SCHEMES
    if _family(name) == family
]
# Of the continuous gradient. With noise every step back starts a scheme afresh, and it is the
# method of one step that it begins with; on an ODE it goes on, and may do better.
BEGINS_WITH = {
    "ReversibleHeun": ees.Heun,
    "McCallumFoster": ees.Euler,
    "McCallumFosterMidpoint": ees.Midpoint,
    "AsynchronousLeapfrog": ees.Midpoint,
}
# The first terms of their errors cancel, and they do better.
CANCELS = ("Heun", "ReversibleHeun")
ANTISYMMETRIC = {"EES25": 5, "EES27": 7, "Euler": 1, "Heun": 3, "Midpoint": 3, "RK4": 5}


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


def _loss(parts, driver, scheme, adjoint):
    field, y0, *own = parts
    # The cotangents of five values: they enter on the way.
    solution = ees.solve(field, scheme, *own or (driver,), y0, adjoint=adjoint, save=5)
    ys = solution.ys
    weights = jnp.cos(1 + jnp.arange(ys.size, dtype=ys.dtype)).reshape(ys.shape)
    return jnp.sum(jnp.sin(2 * ys) * weights), solution.state


@pytest.fixture(scope="module")
def gradients(problem):
    """`gradients(scheme, noise, y0s, paths, horizon, steps)`: for each adjoint the loss, its
    derivatives by the parameters and the start in a row, and those by the driver, along each of
    three paths, in float32 along the first; then what comes back of the start, less the start.
    """

    by = eqx.filter_value_and_grad(_loss, has_aux=True)

    def one(key, scheme, noise, y0, path, horizon, steps):
        field, _, _ = problem(noise, LATTICE, dtype=y0.dtype)
        if path is None:
            driver = ees.Clock(0.0, horizon, steps, dtype=y0.dtype)
        else:
            driver = ees.Sampled(path, 0.0, horizon, steps)
        # An implicit scheme would solve for the derivatives by all of the path at once.
        dear = key == "continuous" and isinstance(scheme, ees.ImplicitMidpoint)
        parts = (field, y0) if dear else (field, y0, driver)
        (value, end), gradient = by(parts, driver, scheme, ADJOINTS[key])
        found = value, *(ravel_pytree(g)[0] for g in (gradient[:2], gradient[2:]))
        if key != "reversible":
            return found, None
        return found, ees.reverse(field, scheme, driver, end).ys[0] - y0

    @eqx.filter_jit
    def along(key, scheme, noise, y0s, paths, horizon, steps):
        if y0s.dtype == jnp.float32:
            # One path: that the map is right is shown in float64, and it takes half of the time.
            first = jax.tree.map(lambda leaf: leaf[0], (y0s, paths))
            found = one(key, scheme, noise, *first, horizon, steps)
            return jax.tree.map(lambda leaf: leaf[None], found)
        return jax.vmap(lambda y0, path: one(key, scheme, noise, y0, path, horizon, steps))(
            y0s, paths
        )

    def compute(*case):
        # A program for each adjoint: together they take longer to compile.
        each = {key: along(key, *case) for key in ADJOINTS}
        return {key: found for key, (found, _) in each.items()}, each["reversible"][1]

    return compute


@pytest.fixture(scope="module")
def programs():
    """`programs(shared)` forgets all programs but those that cases with the same `shared` use.

    A process can hold so many of them only: each takes some of its memory maps.
    """
    held = []

    def hold(shared):
        if held != [shared]:
            jax.clear_caches()
            held[:] = [shared]

    return hold


@pytest.fixture(scope="module", params=CASES)
def case(request, gradients, programs):
    """A scheme's name, a noise, and `ask(dtype, steps)`: their `gradients`, computed once."""
    name, noise = request.param
    programs((_family(name), noise))
    scheme, shape, horizon = ees.SCHEMES[name](), NOISES[noise], 1.0
    if isinstance(scheme, ees.RungeKutta):
        # At order 7, errors are round-off before the steps are small.
        horizon = 1.5 if ees.antisymmetric_order(scheme) >= 7 else 1.0
        # Coefficients are arrays: under one name, one program serves all of so many stages.
        scheme = ees.RungeKutta(scheme.tableau)

    @functools.cache
    def ask(dtype, steps=LATTICE):
        y0s = jnp.array([[0.5, -0.3], [0.2, 0.4], [-0.4, 0.6]], dtype)
        paths = None if shape is None else jnp.asarray(_paths(shape, horizon), dtype)
        at = jnp.asarray(horizon, dtype), jnp.asarray(steps)
        return gradients(scheme, noise, y0s, paths, *at)

    return name, noise, ask


def _relative(found, wanted):
    """Path by path."""
    return np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)


def test_every_adjoint_of_the_discrete_solution_agrees_with_full_backprop(case):
    name, _, ask = case
    found, back = ask(jnp.float64)
    values, *wanted = found["full backprop"]
    assert min(np.abs(part).max(axis=1).min() for part in wanted) > 1e-3
    exact = {"stored states": 1e-12, "recursive checkpoints": 1e-12}
    if ees.SCHEMES[name]().algebraic:
        exact |= dict.fromkeys(REBUILT, 1e-10)
        assert np.abs(back).max() < 1e-11
    for key, (value, *parts) in found.items():
        np.testing.assert_allclose(value, values, rtol=1e-13, atol=1e-14, err_msg=key)
        if key in exact:
            for part, right in zip(parts, wanted):
                assert _relative(part, right).max() < exact[key], key


def test_every_adjoint_in_float32_gives_what_it_gives_in_float64(case):
    _, _, ask = case
    doubles, singles = ask(jnp.float64)[0], ask(jnp.float32)[0]
    for key, (value, *parts) in singles.items():
        assert value.dtype == jnp.float32
        for part, wanted in zip(parts, doubles[key][1:]):
            assert part.dtype == jnp.float32
            if part.size:
                # Up to the rounding of 48 steps.
                assert _relative(part, wanted[: len(part)]).max() < 1e-4, key


def _errors(ask, key):
    """Of an adjoint along the smooth paths: at each step count, the distance to full backprop of
    the derivatives by parameters and start, and of those by the driver, relative to their size.
    """
    rows = []
    for steps in COUNTS:
        found, _ = ask(jnp.float64, steps)
        parts = zip(found[key][1:], found["full backprop"][1:])
        rows.append([np.linalg.norm(_relative(a, b)[:2]) for a, b in parts if a.size])
    return np.array(rows).T


def test_the_continuous_gradient_nears_the_discrete_one_with_the_order_of_the_scheme(case, slope):
    name, noise, ask = case
    errors = _errors(ask, "continuous")
    if name == "ImplicitMidpoint":
        # A symplectic scheme solves the adjoint equation of its own discrete solution.
        assert errors.max() < 1e-13
        return
    order = ees.order(BEGINS_WITH.get(name, ees.SCHEMES[name])())
    for error in errors:
        assert slope(STEP, error) > order - 0.3
    if name not in CANCELS and not (noise == "ode" and name in BEGINS_WITH):
        assert slope(STEP, errors[0]) < order + 0.3


def test_what_is_rebuilt_errs_by_round_off_or_at_the_antisymmetric_order(case, slope):
    name, noise, ask = case
    scheme = ees.SCHEMES[name]()
    back = [np.linalg.norm(ask(jnp.float64, steps)[1][:2]) for steps in COUNTS]
    if scheme.algebraic:
        assert max(back) < 1e-11
        assert max(_errors(ask, key).max() for key in REBUILT) < 1e-10
        return
    order = ees.antisymmetric_order(scheme)
    assert order == ANTISYMMETRIC.get(name, order)
    assert abs(slope(STEP, back) - order) < 0.3
    plain, kept = (_errors(ask, key) for key in REBUILT)
    for error in plain:
        assert abs(slope(STEP, error) - order) < 0.3
    # No more than so many steps back add up, which is one order more.
    assert abs(slope(STEP, kept[0]) - (order + 1)) < 0.5
    # By a point of the path, half of that: its derivative is a difference between two steps, and
    # what is rebuilt jumps at the checkpoints.
    assert slope(STEP, kept[1]) > order + 0.2
