"""What the contestants written in JAX share: inputs, loss, compilation."""

import abc
import dataclasses
import functools
from typing import NamedTuple

import jax, jax.monitoring, jax.numpy as jnp, jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, PRNGKeyArray

from tests.benchmarks.work import Operations, Work


LAST = Operations(
    silu=jax.nn.silu,
    tanh=jnp.tanh,
    ones_like=jnp.ones_like,
    split=lambda y: tuple(y[..., i] for i in range(y.shape[-1])),
    join=lambda parts: jnp.stack(parts, axis=-1),
)
FIRST = dataclasses.replace(LAST, split=tuple, join=jnp.stack)


class Inputs(NamedTuple):
    """What may change from call to call without a compilation."""

    parameters: dict[str, Array]
    y0: Array
    key: PRNGKeyArray
    horizon: Array
    steps: Array


def inputs_of(work: Work) -> Inputs:
    as_arrays = functools.partial(jax.tree.map, jnp.asarray)
    horizon, steps = np.asarray(work.horizon, work.dtype), np.int32(work.steps)
    return Inputs(
        as_arrays(work.parameters()),
        jnp.asarray(work.start()),
        jr.key(0),
        jnp.asarray(horizon),
        jnp.asarray(steps),
    )


class Contestant(abc.ABC):
    """A way to do the work. Each method maps `(work, inputs)` to what it computes.

    - `options`: what the compiler is told, as `jax.jit` takes it in `compiler_options`.
    """

    options: dict | None = None

    @abc.abstractmethod
    def forward(self, work: Work, inputs: Inputs) -> Array:
        """The values that are saved, the last time last on the axis of times, or alone."""

    def gradient(self, work: Work, inputs: Inputs):
        """Half the mean square at the end, and its gradient in parameters and `y0`."""

        def loss(wanted):
            end = self.forward(work, inputs._replace(parameters=wanted[0], y0=wanted[1]))
            return 0.5 * jnp.mean(end**2)

        return jax.value_and_grad(loss)((inputs.parameters, inputs.y0))


class Program:
    """A contestant's task on one work, to compile and run."""

    def __init__(self, contestant: Contestant, work: Work, task: str):
        self.function = functools.partial(getattr(contestant, task), work)
        self.options = contestant.options
        self.inputs = inputs_of(work)

    def compile(self) -> None:
        """Traces and compiles it, with nothing remembered of earlier times."""
        jax.clear_caches()
        self.compiled = (
            jax.jit(self.function, compiler_options=self.options).lower(self.inputs).compile()
        )

    def facts(self) -> dict:
        costs = self.compiled.cost_analysis() or {}
        sizes = self.compiled.memory_analysis()
        return {"temp_bytes": sizes.temp_size_in_bytes, "flops": costs.get("flops")}

    def run(self):
        return jax.block_until_ready(self.compiled(self.inputs))

    def result(self) -> np.ndarray:
        """What the task finds, flat: of a gradient, its entries without the loss."""
        found = self.run()
        return np.asarray(ravel_pytree(found[1] if isinstance(found, tuple) else found)[0])

    def compilations(self) -> dict[str, int]:
        """How often XLA compiles in a sweep of three values, arrays and Python numbers.

        A first call of each kind has been made before. `h` changes the steps over one horizon,
        `N` steps and horizon together. The calls are made within one `jax.jit`; bare ones in none.
        """
        horizon, steps = float(self.inputs.horizon), int(self.inputs.steps)
        fewer = [steps // 2, steps // 4, steps // 5, steps // 10]
        swept = {
            "h": [{"steps": n} for n in fewer],
            "N": [{"steps": n, "horizon": horizon * n / steps} for n in fewer],
            "horizon": [{"horizon": horizon * factor} for factor in (0.5, 0.6, 0.75, 0.9)],
        }
        changes = {
            "seed": [{"key": jr.key(seed)} for seed in (1, 2, 3, 4)],
            "parameter": [
                {"parameters": jax.tree.map(lambda x: x * factor, self.inputs.parameters)}
                for factor in (1.1, 1.2, 1.3, 1.4)
            ],
        }
        for what, values in swept.items():
            pairs = [{"horizon": horizon, "steps": steps, **value} for value in values]
            changes[f"{what} as numbers"] = pairs
            changes[f"{what} as arrays"] = [self._like(pair) for pair in pairs]
        call = jax.jit(self.function)
        found = {what: _count(call, self.inputs, made) for what, made in changes.items()}
        # A call outside of jit may have to be compiled in many pieces: one kind of sweep is enough.
        bare = changes["h as numbers"]
        return found | {"h as numbers, bare": _count(self.function, self.inputs, bare)}

    def _like(self, values):
        return {
            name: jnp.asarray(value, getattr(self.inputs, name).dtype)
            for name, value in values.items()
        }


def _count(call, inputs, changes) -> int:
    found = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(seconds)

    # A call before, so that what changed in an earlier sweep is not counted here.
    jax.block_until_ready(call(inputs._replace(**changes[0])))
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for change in changes[1:]:
            jax.block_until_ready(call(inputs._replace(**change)))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return len(found)


def device() -> str:
    """What it runs on, in its maker's words."""
    return jax.devices()[0].device_kind
