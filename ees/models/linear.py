"""Linear equations, with solutions to compare against on the very same path."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Additive, Diagonal
from ees.models.base import Model, Parameter, real


class MeanReversion(eqx.Module):
    """$\\theta(\\mu - y)$."""

    theta: Float[Array, ""] = eqx.field(converter=real)
    mu: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        return self.theta * (self.mu - y)


class Constant(eqx.Module):
    """A diffusion matrix $(d, m)$ that depends on nothing."""

    matrix: Float[Array, "d m"]

    def __call__(self, t, y):
        return self.matrix


class Proportional(eqx.Module):
    """$\\text{rate} \\cdot y$."""

    rate: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        return self.rate * y


class OrnsteinUhlenbeckSolution(eqx.Module):
    """The exact solution for the straight lines between the points of a path."""

    theta: Float[Array, ""] = eqx.field(converter=real)
    mu: Float[Array, ""] = eqx.field(converter=real)
    sigma: Float[Array, ""] = eqx.field(converter=real)
    y0: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        turned = self.theta * (ts[1] - ts[0])
        # (1 - exp(-turned)) / turned, whose limit at 0 is 1.
        gain = jnp.where(turned > 0, -jnp.expm1(-turned) / jnp.where(turned > 0, turned, 1.0), 1.0)

        def advance(deviation, dw):
            deviation = jnp.exp(-turned) * deviation + self.sigma * gain * dw
            return deviation, deviation

        start = jnp.asarray(self.y0 - self.mu, ws.dtype)[None]
        _, deviations = jax.lax.scan(advance, start, jnp.diff(ws, axis=0))
        return self.mu + jnp.concatenate([start[None], deviations])


class GeometricBrownianSolution(eqx.Module):
    """$y_0 \\exp(\\mu t + \\sigma W_t)$."""

    mu: Float[Array, ""] = eqx.field(converter=real)
    sigma: Float[Array, ""] = eqx.field(converter=real)
    y0: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        return self.y0 * jnp.exp(self.mu * ts[:, None] + self.sigma * ws)


def ornstein_uhlenbeck(
    theta: float = 1.0, mu: float = 0.0, sigma: float = 0.5, y0: float = 2.0
) -> Model:
    """The Ornstein-Uhlenbeck process $dy = \\theta(\\mu - y)\\,dt + \\sigma\\,dW$.

    The exact solution is that of the equation driven by the straight lines between the path's
    points; on the lattice of `BrownianPath` it differs from the true one by about
    $0.3\\,\\theta\\sigma\\sqrt{T}\\,T/20160$.
    """
    return Model(
        name="ornstein_uhlenbeck",
        title="Ornstein-Uhlenbeck",
        why="Mean reversion: a stable equation that Reversible Heun cannot hold at any step "
        "with noise, and every Runge-Kutta scheme holds up to its stability limit.",
        latex=r"dy = \theta(\mu - y)\,dt + \sigma\,dW",
        field=SDE(MeanReversion(theta, mu), Constant(np.full((1, 1), sigma, float)), Additive()),
        y0=np.array([y0], float),
        horizon=10.0,
        steps=80,
        components=("y",),
        parameters=(
            Parameter("theta", theta, 0.0, 50.0, r"\theta", "1/time"),
            Parameter("mu", mu, -5.0, 5.0, r"\mu"),
            Parameter("sigma", sigma, 0.0, 5.0, r"\sigma", "1/√time"),
            Parameter("y0", y0, -5.0, 5.0, r"y_0"),
        ),
        exact=OrnsteinUhlenbeckSolution(theta, mu, sigma, y0),
    )


def geometric_brownian_motion(mu: float = -1.0, sigma: float = 0.5, y0: float = 1.0) -> Model:
    """Geometric Brownian motion $dy = \\mu y\\,dt + \\sigma y \\circ dW$ (Stratonovich).

    Its solution is $y_0 \\exp(\\mu t + \\sigma W_t)$. The Ito drift of the same process is
    $\\mu + \\sigma^2/2$.
    """
    return Model(
        name="geometric_brownian_motion",
        title="Geometric Brownian motion",
        why="Multiplicative noise: the test equation of mean-square stability.",
        latex=r"dy = \mu y\,dt + \sigma y \circ dW",
        field=SDE(Proportional(mu), Proportional(sigma), Diagonal()),
        y0=np.array([y0], float),
        horizon=4.0,
        steps=80,
        components=("y",),
        parameters=(
            Parameter("mu", mu, -50.0, 3.0, r"\mu", "1/time"),
            Parameter("sigma", sigma, 0.0, 3.0, r"\sigma", "1/√time"),
            Parameter("y0", y0, -5.0, 5.0, r"y_0"),
        ),
        exact=GeometricBrownianSolution(mu, sigma, y0),
    )


LINEAR = {
    "ornstein_uhlenbeck": ornstein_uhlenbeck,
    "geometric_brownian_motion": geometric_brownian_motion,
}
