"""Many paths at once are the paths one by one, however they are laid out and dealt out."""

import importlib
import subprocess
import sys
import types
from pathlib import Path

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
import pytest

import ees


ROOT = Path(ees.__file__).parents[1]
KEYS = jr.split(jr.key(11), 6)


class Lorenz(eqx.Module):
    """Every entry by itself: no sum whose order could depend on the layout."""

    rho: jax.Array

    def __call__(self, t, y):
        a, b, c = y
        return jnp.stack([10 * (b - a), a * (self.rho - c) - b, a * b - 8 / 3 * c])


class Turn(eqx.Module):
    """Any number of entries, each of which feels its neighbour."""

    rate: jax.Array

    def __call__(self, t, y):
        return self.rate * jnp.roll(y, 1) - y


FIELD = ees.SDE(Lorenz(jnp.asarray(28.0)), lambda t, y: 0.1 * y, ees.Diagonal())
START = jnp.array([1.0, 0.5, 20.0])


def _driver(key, steps=300):
    return ees.Brownian(key, 0.0, 0.5, steps, (3,))


def _one_by_one(scheme, save, driver=_driver):
    alone = [ees.solve(FIELD, scheme, driver(key), START, save=save) for key in KEYS]
    return jtu.tree_map(lambda *leaves: np.stack(leaves), *alone)


@pytest.mark.parametrize("save", ["all", 7])
def test_paths_are_those_that_each_is_alone(save):
    alone = _one_by_one(ees.EES25(), save)
    together = ees.ensemble(FIELD, ees.EES25(), _driver, START, KEYS, save=save)
    mapped = jax.vmap(lambda key: ees.solve(FIELD, ees.EES25(), _driver(key), START, save=save))
    for found in (together, mapped(KEYS)):
        np.testing.assert_allclose(found.ys, alone.ys, rtol=1e-13)
        np.testing.assert_allclose(found.state, alone.state, rtol=1e-13)
        np.testing.assert_array_equal(found.evaluations, alone.evaluations)
        np.testing.assert_array_equal(found.diverged_at, alone.diverged_at)
    np.testing.assert_array_equal(together.ts, alone.ts[0])


@pytest.mark.parametrize("name", ["ReversibleHeun", "ImplicitMidpoint"])
@pytest.mark.parametrize("dim", [3, 20])
def test_every_kind_of_scheme_and_of_path_can_be_had_together(name, dim):
    scheme, start = ees.SCHEMES[name](), jnp.linspace(0.5, 1.0, dim)
    field = ees.SDE(lambda t, y: y[::-1] - y**2, lambda t, y: 0.3 * y, ees.Diagonal())

    def driver(key):
        return ees.BrownianPath(key, 0.0, 0.1, 20, (dim,), lattice=40)

    found = ees.ensemble(field, scheme, driver, start, KEYS)
    for i, key in enumerate(KEYS):
        alone = ees.solve(field, scheme, driver(key), start)
        np.testing.assert_allclose(found.ys[i], alone.ys, rtol=1e-11)
        assert found.evaluations[i] == alone.evaluations
    with pytest.raises(ValueError, match="known at 40 cells"):
        ees.ensemble(field, scheme, lambda key: driver(key).with_steps(3), start, KEYS)


def test_each_path_has_its_own_start_and_its_own_end():
    # dy = y^2 dt from 2 and from 1/2: the first runs away at t = 1/2, the second lives on.
    field, starts = ees.ODE(lambda t, y: y**2), jnp.array([[2.0], [0.5]])
    clock = ees.Clock(0.0, 1.0, 400)
    found = ees.ensemble(field, ees.RK4(), lambda y: clock, lambda y: y, starts)
    assert 0.5 <= float(found.diverged_at[0]) < 0.55 and np.isinf(found.diverged_at[1])
    assert float(found.ys[1, 0, 0]) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("adjoint", [ees.FullBackprop(), ees.Reversible()], ids=["tape", "back"])
def test_the_gradient_of_what_is_shared_is_the_sum_over_the_paths(adjoint):
    def loss(parameters, keys):
        field, y0 = parameters

        def driver(key):
            return _driver(key, 40)

        found = ees.ensemble(field, ees.EES27(), driver, y0, keys, adjoint=adjoint)
        return jnp.sum(found.ys**2)

    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    found = jtu.tree_leaves(gradient((FIELD, START), KEYS))
    each = [jtu.tree_leaves(gradient((FIELD, START), KEYS[i : i + 1])) for i in range(6)]
    for leaf, wanted in zip(found, map(sum, zip(*each))):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-10)


def test_a_mapped_gradient_is_that_of_each_path_and_its_sum_that_of_all():
    def gradient(rho, key):
        def loss(rho):
            field = ees.SDE(Lorenz(rho), FIELD.diffusion, ees.Diagonal())
            driver = _driver(key, 40)
            found = ees.solve(field, ees.EES25(), driver, START, adjoint=ees.Reversible(), save=3)
            return jnp.sum(found.ys**2)

        return jax.grad(loss)(rho)

    rho = jnp.asarray(28.0)
    alone = np.array([jax.jit(gradient)(rho, key) for key in KEYS])
    np.testing.assert_allclose(jax.vmap(gradient, (None, 0))(rho, KEYS), alone, rtol=1e-10)
    # Every path with a parameter of its own; and maps within maps.
    own = jax.vmap(gradient)(jnp.full(6, rho), KEYS)
    np.testing.assert_allclose(own, alone, rtol=1e-10)
    nested = jax.vmap(jax.vmap(gradient, (None, 0)), (None, 0))(rho, KEYS.reshape(2, 3))
    np.testing.assert_allclose(nested, alone.reshape(2, 3), rtol=1e-10)
    probes = jax.vmap(
        lambda key, probe: jax.grad(
            lambda probe: ees.solve(
                FIELD, ees.EES25(), _driver(key, 40), START, adjoint=ees.Reversible(probe=probe)
            ).ys.sum()
        )(probe)
    )(KEYS, jnp.zeros(6))
    assert probes.shape == (6,) and (probes > 0).all() and len(set(probes.tolist())) == 6


def test_a_field_may_close_over_what_is_mapped_or_compiled():
    def end(rate, y0):
        field = ees.ODE(lambda t, y: -rate * y)
        return ees.solve(field, ees.RK4(), ees.Clock(0.0, 1.0, 20), y0).ys[0]

    rates, starts = jnp.arange(3.0), jnp.ones((3, 2))
    wanted = np.exp(-np.arange(3.0))[:, None] * np.ones(2)
    np.testing.assert_allclose(jax.vmap(end)(rates, starts), wanted, rtol=1e-5)
    compiled = jax.jit(lambda rate: jax.vmap(lambda y0: end(rate, y0))(starts))
    np.testing.assert_allclose(compiled(2.0), np.tile(wanted[2], (3, 1)), rtol=1e-5)


@pytest.mark.parametrize(
    "driver, each, message",
    [
        (_driver, (KEYS, jnp.zeros(5)), r"each has leaves of the shapes .*common first axis"),
        (_driver, (), "each has leaves"),
        (lambda t1: ees.Clock(0.0, t1, 3), jnp.ones(4), "must not depend on the path"),
    ],
)
def test_paths_that_do_not_go_together_are_refused(driver, each, message):
    with pytest.raises(ValueError, match=message):
        ees.ensemble(FIELD, ees.EES25(), driver, START, each)


@pytest.mark.parametrize("dim, paths, blocks", [(3, 8192, 4), (20, 1000, 4), (20, 1009, 1)])
def test_many_paths_are_solved_in_blocks_and_are_those_that_one_block_gives(
    dim, paths, blocks, monkeypatch
):
    """What a core's cache does not hold is slow; no value and no gradient tells of it."""

    def loss(rate, starts):
        field = ees.SDE(Turn(rate), FIELD.diffusion, ees.Diagonal())
        keys = jr.split(jr.key(0), paths)

        def driver(own):
            return ees.Brownian(own[0], 0.0, 0.5, 10, (dim,))

        found = ees.ensemble(
            field, ees.EES25(), driver, lambda own: own[1], (keys, starts),
            adjoint=ees.Reversible(), save=4, devices=jax.devices()[:1],
        )  # fmt: skip
        return jnp.mean(found.ys**2), found

    def all_of_it():
        gradient = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
        inputs = jnp.asarray(0.3), jnp.linspace(0.0, 1.0, paths * dim).reshape(-1, dim)
        compiled = gradient.lower(*inputs).compile()
        return compiled.memory_analysis().temp_size_in_bytes, compiled(*inputs)

    room, found = all_of_it()
    together = importlib.import_module("ees.ensemble")
    assert together._blocks(jnp.ones((paths, dim)), paths, 1, jax.devices()[0]) == blocks
    monkeypatch.setattr(together, "_CACHED", 2**40)
    whole, wanted = all_of_it()
    assert room == whole if blocks == 1 else room < 0.7 * whole
    jtu.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11), found, wanted)
    assert found[0][1].ys.shape == (paths, 4, dim) and found[0][1].ts.shape == (4,)


@pytest.mark.parametrize("platform, share", [("cpu", 512), ("gpu", 4096)])
def test_only_a_cpu_has_blocks(platform, share):
    device = types.SimpleNamespace(platform=platform)
    start = jnp.ones((4096, 32), jnp.float32)
    assert 4096 // importlib.import_module("ees.ensemble")._blocks(start, 4096, 1, device) == share


@pytest.mark.parametrize("paths", [6, 1024])
def test_another_number_of_steps_compiles_nothing_new(paths, compilations):
    keys, start = jr.split(jr.key(0), paths), jnp.ones(20)
    field = ees.SDE(lambda t, y: -y, lambda t, y: 0.1 * y, ees.Diagonal())

    def ends(t1, steps):
        def driver(key):
            return ees.Brownian(key, 0.0, t1, steps, (20,))

        return ees.ensemble(field, ees.EES25(), driver, start, keys).ys

    ends(1.0, 10)
    with compilations() as found:
        for t1, steps in ((2.0, 11), (0.3, 50)):
            assert np.isfinite(ends(t1, steps)).all()
    assert not found


DEALT = """
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 2)
import equinox as eqx, jax.numpy as jnp, jax.random as jr, numpy as np
import ees

drift = eqx.nn.MLP(2, 2, 8, 1, key=jr.key(0))
class Drift(eqx.Module):
    net: eqx.nn.MLP
    def __call__(self, t, y):
        return self.net(y)

field = ees.SDE(Drift(drift), lambda t, y: 0.3 * jnp.cos(y), ees.Diagonal())
keys = jr.split(jr.key(1), 6)

def value_and_gradient(devices):
    def loss(field, keys):
        found = ees.ensemble(
            field, ees.EES25(), lambda key: ees.Brownian(key, 0.0, 1.0, 30, (2,)), jnp.ones(2),
            keys, adjoint=ees.Reversible(), save=4, devices=devices,
        )
        return jnp.mean(found.ys**2), found
    return eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))(field, keys)

assert len(jax.devices()) == 2
(one, paths), gradient = value_and_gradient(jax.devices()[:1])
(two, dealt), shared = value_and_gradient(None)
assert len(dealt.ys.sharding.device_set) == 2
np.testing.assert_array_equal(paths.ys, dealt.ys)
np.testing.assert_array_equal(paths.state, dealt.state)
for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(shared)):
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)

# Blocks of each share; checkpoints found by a run, as one device does; a loop of known length.
def ends(count, adjoint):
    return ees.ensemble(
        field, ees.EES25(), lambda key: ees.Brownian(key, 0.0, 1.0, 30, (2,)),
        jnp.ones(2), jr.split(jr.key(2), 12_000), adjoint=adjoint, devices=jax.devices()[:count],
    ).ys
for adjoint in (ees.Reversible(), ees.Reversible(checkpoint_every="auto")):
    np.testing.assert_array_equal(ends(1, adjoint), ends(2, adjoint))

# As large a state as is drawn step by step, in a loop of which the compiler knows the length.
def large(y0):
    return ees.ensemble(
        ees.ODE(lambda t, y: -y), ees.EES25(), lambda y0: ees.Clock(0.0, 1.0, 30),
        lambda y0: y0, y0, adjoint=ees.Reversible(),
    ).ys
text = jax.jit(large).lower(jnp.ones((4, 500))).compile().as_text()
assert text.count('known_trip_count":{"n":"30"') == 1
"""


def test_two_devices_give_the_bits_of_one_and_the_gradient_of_all_paths():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEALT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
