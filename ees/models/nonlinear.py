"""Non-linear stochastic equations: bistability, chaos, populations, and noise alone."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Additive, Diagonal, General
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


class Predation(eqx.Module):
    """$(\\alpha x - \\beta x y,\\ \\delta x y - \\gamma y)$ for prey $x$ and predators $y$."""

    alpha: Float[Array, ""] = eqx.field(converter=real)
    beta: Float[Array, ""] = eqx.field(converter=real)
    gamma: Float[Array, ""] = eqx.field(converter=real)
    delta: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        prey, predators = y[0], y[1]
        met = prey * predators
        return jnp.stack(
            [self.alpha * prey - self.beta * met, self.delta * met - self.gamma * predators]
        )


def nothing(t, y):
    """The drift of an equation that has none."""
    return jnp.zeros_like(y)


class Turning(eqx.Module):
    """The row $(\\cos ky,\\ \\sin ky)$, whose two fields do not commute."""

    wavenumber: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        angle = self.wavenumber * y
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)


class TurningSolution(eqx.Module):
    """The exact solution for the straight lines between the points of a path.

    Along a line with $k\\,dX = r(\\cos\\varphi, \\sin\\varphi)$ the angle $u = ky - \\varphi$
    solves $du/ds = r \\cos u$: $\\tan(u/2 + \\pi/4)$ grows by the factor $e^r$.
    """

    wavenumber: Float[Array, ""] = eqx.field(converter=real)
    y0: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        def advance(angle, dx):
            length = jnp.linalg.norm(dx)
            # (exp(length) - 1) / length, whose limit at 0 is 1.
            gain = jnp.where(length > 0, jnp.expm1(length) / jnp.where(length > 0, length, 1), 1)
            along = dx[0] * jnp.cos(angle) + dx[1] * jnp.sin(angle)
            across = dx[0] * jnp.sin(angle) - dx[1] * jnp.cos(angle)
            angle = angle + 2 * jnp.arctan2(gain * along, 2 + gain * (length + across))
            return angle, angle

        start = jnp.asarray(self.wavenumber * self.y0, ws.dtype)
        _, angles = jax.lax.scan(advance, start, self.wavenumber * jnp.diff(ws, axis=0))
        return jnp.concatenate([start[None], angles])[:, None] / self.wavenumber


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


def lotka_volterra(
    alpha: float = 1.0,
    beta: float = 0.5,
    gamma: float = 1.0,
    delta: float = 0.5,
    noise: float = 0.1,
) -> Model:
    """Prey $x$ and predators $y$ whose rates of growth are noisy (Stratonovich).

    Without noise $\\delta x - \\gamma \\ln x + \\beta y - \\alpha \\ln y$ is constant.
    """
    return Model(
        name="lotka_volterra",
        title="Lotka-Volterra",
        why="Without noise every orbit closes and all that wanders is the scheme's error; with it "
        "the cycles wander by themselves.",
        latex=r"dx = (\alpha - \beta y)\,x\,dt + \eta x \circ dW^1,\qquad"
        r" dy = (\delta x - \gamma)\,y\,dt + \eta y \circ dW^2",
        field=SDE(Predation(alpha, beta, gamma, delta), Proportional(noise), Diagonal()),
        y0=np.array([4.0, 1.0]),
        horizon=30.0,
        steps=160,
        components=("x", "y"),
        parameters=(
            Parameter("alpha", alpha, 0.0, 5.0, r"\alpha", "1/time"),
            Parameter("beta", beta, 0.0, 5.0, r"\beta", "1/time"),
            Parameter("gamma", gamma, 0.0, 5.0, r"\gamma", "1/time"),
            Parameter("delta", delta, 0.0, 5.0, r"\delta", "1/time"),
            Parameter("noise", noise, 0.0, 1.0, r"\eta", "1/√time"),
        ),
    )


def rough(wavenumber: float = 1.0, y0: float = 1.0) -> Model:
    """Noise alone, $dy = \\cos(ky) \\circ dX^1 + \\sin(ky) \\circ dX^2$.

    With $k = 1$, the default, it is the equation of the convergence study of arXiv 2509.20599,
    where fractional Brownian motions drive it: any driver with increments `(2,)` will do. The
    exact solution is that along the straight lines between the path's points.
    """
    parameters = (
        Parameter("wavenumber", wavenumber, 0.1, 20.0, "k"),
        Parameter("y0", y0, -5.0, 5.0, "y_0"),
    )
    return Model(
        name="rough",
        title="Rough equation",
        why="Two fields that do not commute: EES25, EES27 and RK4 err alike, for none of them "
        "sees more of the path than its increments.",
        latex=r"dy = \cos(ky) \circ dX^1 + \sin(ky) \circ dX^2",
        field=SDE(nothing, Turning(wavenumber), General()),
        y0=np.array([y0], float),
        horizon=1.0,
        steps=16,
        components=("y",),
        parameters=parameters,
        exact=TurningSolution(wavenumber, y0),
    )


NONLINEAR = {
    "double_well": double_well,
    "stochastic_lorenz": stochastic_lorenz,
    "lotka_volterra": lotka_volterra,
    "rough": rough,
}
