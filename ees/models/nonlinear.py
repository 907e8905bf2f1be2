"""Non-linear stochastic equations: bistability and chaos."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Additive, Diagonal
from ees.models.base import Model, Parameter, real
from ees.models.linear import Constant, Proportional


class Bistable(eqx.Module):
    """$\\alpha(y - y^3)$, the force of a double well."""

    alpha: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        return self.alpha * (y - y**3)


class Lorenz(eqx.Module):
    """The drift of the Lorenz system."""

    sigma: Float[Array, ""] = eqx.field(converter=real)
    rho: Float[Array, ""] = eqx.field(converter=real)
    beta: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        a, b, c = y[0], y[1], y[2]
        return jnp.stack([self.sigma * (b - a), a * (self.rho - c) - b, a * b - self.beta * c])


def double_well(alpha: float = 2.0, sigma: float = 0.6, y0: float = 0.1) -> Model:
    """Motion in a double well, $dy = \\alpha(y - y^3)\\,dt + \\sigma\\,dW$."""
    return Model(
        name="double_well",
        title="Double well",
        why="Noise carries the path from one well to the other; the cubic force throws a "
        "scheme out of the well once the step is too large.",
        latex=r"dy = \alpha\,(y - y^3)\,dt + \sigma\,dW",
        field=SDE(Bistable(alpha), Constant(np.full((1, 1), sigma, float)), Additive()),
        y0=np.array([y0], float),
        horizon=8.0,
        steps=80,
        components=("y",),
        parameters=(
            Parameter("alpha", alpha, 0.0, 20.0, r"\alpha", "1/time"),
            Parameter("sigma", sigma, 0.0, 3.0, r"\sigma", "1/√time"),
            Parameter("y0", y0, -2.0, 2.0, r"y_0"),
        ),
    )


def stochastic_lorenz(
    sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3, noise: float = 0.1
) -> Model:
    """The Lorenz system with multiplicative noise on every component (Stratonovich)."""
    return Model(
        name="stochastic_lorenz",
        title="Stochastic Lorenz",
        why="Chaos: any two schemes part after a while, and a reversed path parts from its own "
        "forward pass even sooner.",
        latex=r"\begin{aligned} dx &= \sigma(y - x)\,dt + \eta x \circ dW^1 \\"
        r" dy &= \big(x(\rho - z) - y\big)\,dt + \eta y \circ dW^2 \\"
        r" dz &= (xy - \beta z)\,dt + \eta z \circ dW^3 \end{aligned}",
        field=SDE(Lorenz(sigma, rho, beta), Proportional(noise), Diagonal()),
        y0=np.array([1.0, 1.0, 25.0]),
        horizon=5.0,
        steps=504,
        components=("x", "y", "z"),
        parameters=(
            Parameter("sigma", sigma, 0.0, 30.0, r"\sigma", "1/time"),
            Parameter("rho", rho, 0.0, 60.0, r"\rho"),
            Parameter("beta", beta, 0.0, 10.0, r"\beta", "1/time"),
            Parameter("noise", noise, 0.0, 2.0, r"\eta", "1/√time"),
        ),
    )


NONLINEAR = {"double_well": double_well, "stochastic_lorenz": stochastic_lorenz}
