"""What is computed: equations, their parameters and sizes, given to every library alike.

NumPy alone, because each library reads it in an environment of its own.
"""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Work:
    """One computation, in the Stratonovich sense with diagonal noise.

    - `equation`: `"neural"`, `"lorenz"` or `"ou"`.
    - `steps`: equal steps from time 0 to `horizon`; `paths` of `dim` components each.
    - `save`: `"end"` or `"all"`.
    - `dtype`: of states, times and parameters.
    - `pull`: of the neural equation, the rate of a contraction that is added to its drift.
    """

    equation: str
    steps: int
    paths: int
    dim: int
    horizon: float = 1.0
    save: str = "end"
    dtype: str = "float32"
    pull: float = 0.0

    def parameters(self) -> dict[str, np.ndarray]:
        """What gradients are taken of, the same at every call."""
        if self.equation == "lorenz":
            values = {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3, "noise": 0.1}
        elif self.equation == "ou":
            values = {"rate": 2.0, "noise": 0.5}
        else:
            random = np.random.default_rng(1)
            layer = (self.dim, self.dim)
            values = {}
            for net in ("drift", "diffusion"):
                for place in ("in", "out"):
                    values[f"{net}_{place}"] = random.normal(0, self.dim**-0.5, layer)
                    values[f"{net}_{place}_bias"] = random.normal(0, 0.1, self.dim)
        return {name: np.asarray(value, self.dtype) for name, value in values.items()}

    def start(self) -> np.ndarray:
        """The state at time 0, `(paths, dim)`."""
        start = np.random.default_rng(2).normal(0, 1, (self.paths, self.dim))
        return (start + 1.0).astype(self.dtype)


@dataclasses.dataclass(frozen=True)
class Operations:
    """What the equations need of a library of arrays.

    - `silu`, `tanh`, `ones_like`: element by element.
    - `split`, `join`: a state into its components and back.
    """

    silu: Callable
    tanh: Callable
    ones_like: Callable
    split: Callable
    join: Callable


def drift(ops: Operations, work: Work, p: dict, y):
    """The drift at `y`, per unit of time."""
    if work.equation == "lorenz":
        a, b, c = ops.split(y)
        rates = p["sigma"] * (b - a), a * (p["rho"] - c) - b, a * b - p["beta"] * c
        return ops.join(rates)
    if work.equation == "ou":
        return -p["rate"] * y
    rate = _network(ops, p, "drift", y)
    return rate - work.pull * y if work.pull else rate


def diffusion(ops: Operations, work: Work, p: dict, y):
    """The diffusion at `y`, one factor for each component, per square root of time."""
    if work.equation == "lorenz":
        return p["noise"] * y
    if work.equation == "ou":
        return p["noise"] * ops.ones_like(y)
    return 0.5 * _network(ops, p, "diffusion", y)


def _network(ops, p, net, y):
    # One hidden layer as wide as the state, LipSwish and a closing tanh (arXiv 2105.13493).
    hidden = 0.909 * ops.silu(y @ p[f"{net}_in"] + p[f"{net}_in_bias"])
    return ops.tanh(hidden @ p[f"{net}_out"] + p[f"{net}_out_bias"])
