"""What a model is: an equation with everything that a user wants to know of it."""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ees.drivers import LATTICE, AbstractDriver, BrownianPath, Clock
from ees.fields import AbstractField


def real(value) -> np.ndarray:
    """A parameter as a float64 leaf; an integer one would be left out of every gradient."""
    return np.asarray(value, float)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a model: its value, its range, and how it is written.

    - `name`: the keyword of the model's factory.
    - `value`, `low`, `high`: in `unit`; the range is closed.
    - `symbol`: LaTeX. `unit`: "" for a pure number.
    - `whole`: the model rounds the value to an integer, and nothing has a gradient in it.

    Raises `ValueError` if the value is not a finite number within the range.
    """

    name: str
    value: float
    low: float
    high: float
    symbol: str
    unit: str = ""
    whole: bool = False

    def __post_init__(self):
        if not (math.isfinite(self.value) and self.low <= self.value <= self.high):
            raise ValueError(
                f"{self.name}={self.value}: allowed is every number from {self.low} to {self.high}."
            )


@dataclasses.dataclass(frozen=True)
class Model:
    """An equation, ready to solve.

    - `name`: its key in `ees.MODELS`; `title`: for people; `why`: one line on its interest.
    - `latex`: the equation, Stratonovich, in LaTeX without dollar signs.
    - `field`, `y0`: what `ees.solve` takes; `y0` is `(dim,)`.
    - `horizon`: the default end of the time interval from 0, in units of time.
    - `steps`: the default number of steps.
    - `components`: a LaTeX symbol for each entry of the state.
    - `parameters`: a `Parameter` each, with the values that this model has.
    - `exact`: an Equinox module; `exact(ts, ws)` gives the solution `(points, dim)` at the evenly
      spaced times `ts` `(points,)` of a path with the values `ws` `(points, *noise)` there and
      straight lines between them (any `ws` for an ODE). `None` where no exact solution is known.
    """

    name: str
    title: str
    why: str
    latex: str
    field: AbstractField
    y0: Float[Array, " dim"]
    horizon: float
    steps: int
    components: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    exact: Callable | None = None

    @property
    def noise_shape(self) -> tuple[int, ...] | None:
        """The shape of the increments that the field needs, `None` for an ODE."""
        return self.field.noise_shape(jnp.zeros(()), self.y0)

    def driver(
        self, key: PRNGKeyArray, t1: float, steps: int, *, lattice: int = LATTICE, dtype=None
    ) -> AbstractDriver:
        """What drives this model from 0 to `t1`: one Brownian path, or the clock for an ODE.

        **Raises:** `ValueError` as `ees.BrownianPath`.
        """
        if self.noise_shape is None:
            return Clock(0.0, t1, steps, dtype=dtype)
        return BrownianPath(key, 0.0, t1, steps, self.noise_shape, lattice=lattice, dtype=dtype)
