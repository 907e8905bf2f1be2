import os

import jax


# The time of these tests is that of compiling many small programs. XLA's emitters written in
# MLIR take half of it, and dividing a program for several threads a quarter of the rest; they
# change neither memory nor, but for the last bit, values. XLA reads its flags once; a child
# process, such as the app's server, compiles as users do.
_flags = os.environ.get("XLA_FLAGS")
_quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ["XLA_FLAGS"] = f"{_flags or ''} {_quick}"
jax.config.update("jax_enable_x64", True)
jax.devices()
if _flags is None:
    del os.environ["XLA_FLAGS"]
else:
    os.environ["XLA_FLAGS"] = _flags

import contextlib

import equinox as eqx
import jax.monitoring
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import ees


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file is one job of those that run side by side, unless its tests say otherwise."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(autouse=True, scope="module")
def compiled_quickly(request):
    """LLVM optimises only in files that say `OPTIMISED = True`: they run long or weigh programs.

    Each file starts without the compiled programs of the ones before: memory stays bounded.
    """
    optimised = getattr(request.module, "OPTIMISED", False)
    jax.config.update("jax_disable_most_optimizations", not optimised)
    yield
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)


class Drift(eqx.Module):
    """Non-linear, of two components that do not commute, and different at every time."""

    weights: jax.Array

    def __call__(self, t, y):
        return self.weights @ (y - 0.2 * y**3) + t * y[::-1]


class Diffusion(eqx.Module):
    """Feels time, and the state but for additive noise, in the shape that the noise needs."""

    scale: jax.Array
    noise: str = eqx.field(static=True)

    def __call__(self, t, y):
        shape = jnp.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3]], self.scale.dtype)
        if self.noise == "additive":
            return (1 + t * t) * self.scale[:, None] * shape
        felt = self.scale * (1 + t * y * y)
        return felt[:, None] * shape if self.noise == "general" else felt


NOISES = {
    "additive": (ees.Additive, (3,)),
    "diagonal": (ees.Diagonal, (2,)),
    "scalar": (ees.Scalar, ()),
    "general": (ees.General, (3,)),
}


@pytest.fixture(scope="session")
def problem():
    """`problem(noise, steps, ...)`: field, driver and start of a small test equation."""

    def make(noise, steps, *, t1=1.0, seed=0, lattice=None, dtype=None):
        drift = Drift(jnp.array([[0.3, -1.0], [0.8, 0.1]], dtype))
        scale = jnp.array([0.4, 0.3], dtype)
        y0 = jnp.array([0.5, -0.3], dtype)
        if noise == "ode":
            return ees.ODE(drift), ees.Clock(0.0, t1, steps, dtype=dtype), y0
        kind, shape = NOISES[noise]
        driver = ees.BrownianPath(
            jr.key(seed), 0.0, t1, steps, shape, lattice=lattice or steps, dtype=dtype
        )
        return ees.SDE(drift, Diffusion(scale, noise), kind()), driver, y0

    return make


@pytest.fixture(scope="session")
def slope():
    """`slope(hs, errors)`: the least-squares slope of log error against log h."""

    def fit(hs, errors):
        return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])

    return fit


@pytest.fixture
def compilations():
    """`with compilations() as found:` fills the list with one entry for each XLA compilation."""

    @contextlib.contextmanager
    def counting():
        found = []

        def listen(event, seconds, **_):
            if event == "/jax/core/compile/backend_compile_duration":
                found.append(seconds)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            # Were the event to change its name, nothing would be counted and every test pass.
            jax.jit(lambda x: x + 1)(1)
            assert found
            found.clear()
            yield found
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting


@pytest.fixture(scope="session")
def butcher_step():
    """`butcher_step(table, drift, diffusion, t, y, dt, dw)`: a step as a tableau defines it.

    In NumPy, every stage kept, for diagonal noise: it shares no code with the schemes.
    """

    def step(table, drift, diffusion, t, y, dt, dw):
        stages = []
        for row, c in zip(table.a, table.c):
            at = y + sum(weight * k for weight, k in zip(row, stages))
            stages.append(drift(t + c * dt, at) * dt + diffusion(t + c * dt, at) * dw)
        return y + sum(weight * k for weight, k in zip(table.b, stages))

    return step
