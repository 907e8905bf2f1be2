"""Models of finance: a price whose volatility is itself a diffusion."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import General, ito_to_stratonovich
from ees.models.base import Model, Parameter, real


class Pricing(eqx.Module):
    """The Ito drift $(r - v/2,\\ \\kappa(\\theta - v))$ of a log-price and its variance."""

    rate: Float[Array, ""] = eqx.field(converter=real)
    kappa: Float[Array, ""] = eqx.field(converter=real)
    theta: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        v = y[1]
        return jnp.stack([self.rate - 0.5 * v, self.kappa * (self.theta - v)])


class Volatility(eqx.Module):
    """The root of the variance times $(1, 0)$ and $\\xi(\\rho, \\sqrt{1 - \\rho^2})$; 0 below 0."""

    xi: Float[Array, ""] = eqx.field(converter=real)
    rho: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        v = y[1]
        # The inner where keeps the root's derivative, which is infinite at 0, out of gradients.
        root = jnp.where(v > 0, jnp.sqrt(jnp.where(v > 0, v, 1.0)), 0.0)
        own = self.xi * jnp.sqrt(1 - self.rho**2)
        price = jnp.stack([jnp.ones_like(own), jnp.zeros_like(own)])
        return root * jnp.stack([price, jnp.stack([self.xi * self.rho, own])])


def heston(
    rate: float = 0.03,
    kappa: float = 4.0,
    theta: float = 0.09,
    xi: float = 0.4,
    rho: float = -0.7,
    v0: float = 0.04,
) -> Model:
    """Heston's model: log-price $x$ from 0 and variance $v$, with correlated noise.

    In the sense of Ito $dx = (r - \\tfrac12 v)\\,dt + \\sqrt v\\,dB^1$ and
    $dv = \\kappa(\\theta - v)\\,dt + \\xi \\sqrt v\\,dB^2$ with Brownian motions of correlation $\\rho$.
    The Stratonovich drift is less by $\\xi\\rho/4$ and $\\xi^2/4$ where $v > 0$.

    The ranges keep $4 \\kappa \\theta \\ge \\xi^2$: the Stratonovich drift of $v$ is not negative
    as $v$ falls to 0, so that the exact variance never does fall below. A scheme's step may.
    There the equation is continued with the root 0: the noise is off, and the drift
    $\\kappa(\\theta - v) > 0$ leads back. The state itself is never clipped.
    """
    return Model(
        name="heston",
        title="Heston",
        why="Noises that are correlated and do not commute, under a root; the mean price and the "
        "mean variance are known.",
        latex=r"\begin{aligned} dx &= \big(r - \tfrac12 v - \tfrac14 \rho\,\xi\big)\,dt"
        r" + \sqrt v \circ dW^1 \\"
        r" dv &= \big(\kappa(\theta - v) - \tfrac14 \xi^2\big)\,dt + \xi \sqrt v \circ"
        r" \big(\rho\,dW^1 + \sqrt{1 - \rho^2}\,dW^2\big) \end{aligned}",
        field=ito_to_stratonovich(Pricing(rate, kappa, theta), Volatility(xi, rho), General()),
        y0=np.array([0.0, v0]),
        horizon=4.0,
        steps=48,
        components=("x", "v"),
        parameters=(
            Parameter("rate", rate, -0.1, 0.2, "r", "1/time"),
            Parameter("kappa", kappa, 1.0, 20.0, r"\kappa", "1/time"),
            Parameter("theta", theta, 0.04, 1.0, r"\theta", "1/time"),
            Parameter("xi", xi, 0.0, 0.4, r"\xi", "1/time"),
            Parameter("rho", rho, -0.99, 0.99, r"\rho"),
            Parameter("v0", v0, 0.0, 1.0, r"v_0", "1/time"),
        ),
    )


FINANCE = {"heston": heston}
