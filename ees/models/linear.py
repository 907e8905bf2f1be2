"""Linear equations, with solutions to compare against on the very same path."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Additive, Diagonal, Scalar, ito_to_stratonovich
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


class Complex(eqx.Module):
    """$c\\,y$ for a complex number $c$ and a state $(\\mathrm{Re}\\,y, \\mathrm{Im}\\,y)$."""

    re: Float[Array, ""] = eqx.field(converter=real)
    im: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        a, b = y[0], y[1]
        return jnp.stack([self.re * a - self.im * b, self.im * a + self.re * b])


class Decay(eqx.Module):
    """$-\\text{rate} \\cdot S y$ with a symmetric matrix $S$."""

    rate: Float[Array, ""] = eqx.field(converter=real)
    matrix: Float[Array, "d d"]

    def __call__(self, t, y):
        return -self.rate * (self.matrix @ y)


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


class ComplexExponential(eqx.Module):
    """$\\exp(\\lambda t + \\mu W_t)$ from 1: real and imaginary part."""

    drift: Complex
    noise: Complex

    def __call__(self, ts, ws):
        angle = self.drift.im * ts + self.noise.im * ws
        size = jnp.exp(self.drift.re * ts + self.noise.re * ws)
        return jnp.stack([size * jnp.cos(angle), size * jnp.sin(angle)], axis=1)


class StiffSolution(eqx.Module):
    """$\\exp((A - \\sigma^2/2)\\,t + \\sigma W_t)\\,y_0$ in the eigenvectors of $A$."""

    drift: Decay
    sigma: Float[Array, ""] = eqx.field(converter=real)
    y0: Float[Array, " d"] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        values, vectors = jnp.linalg.eigh(self.drift.matrix)
        common = self.sigma * ws - 0.5 * self.sigma**2 * ts
        powers = common[:, None] - self.drift.rate * values * ts[:, None]
        return (jnp.exp(powers) * (self.y0 @ vectors)) @ vectors.T


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


def linear_test(
    lambda_re: float = -1.0, lambda_im: float = 5.0, mu_re: float = 0.0, mu_im: float = 0.5
) -> Model:
    """The linear test equation $dy = \\lambda y\\,dt + \\mu y \\circ dW$, complex, from $y_0 = 1$.

    One Brownian motion drives both components. The solution is $\\exp(\\lambda t + \\mu W_t)$,
    whose mean square is $\\exp(2(\\mathrm{Re}\\,\\lambda + (\\mathrm{Re}\\,\\mu)^2)\\,t)$.
    """
    drift, noise = Complex(lambda_re, lambda_im), Complex(mu_re, mu_im)
    return Model(
        name="linear_test",
        title="Linear test equation",
        why="The equation behind every stability plot: lambda h and mu² h are the point that the "
        "step moves through the plane.",
        latex=r"dy = \lambda y\,dt + \mu y \circ dW,\qquad \lambda, \mu \in \mathbb{C}",
        field=SDE(drift, noise, Scalar()),
        y0=np.array([1.0, 0.0]),
        horizon=6.0,
        steps=48,
        components=(r"\mathrm{Re}\,y", r"\mathrm{Im}\,y"),
        parameters=(
            Parameter("lambda_re", lambda_re, -50.0, 3.0, r"\mathrm{Re}\,\lambda", "1/time"),
            Parameter("lambda_im", lambda_im, -50.0, 50.0, r"\mathrm{Im}\,\lambda", "1/time"),
            Parameter("mu_re", mu_re, -3.0, 3.0, r"\mathrm{Re}\,\mu", "1/√time"),
            Parameter("mu_im", mu_im, -3.0, 3.0, r"\mathrm{Im}\,\mu", "1/√time"),
        ),
        exact=ComplexExponential(drift, noise),
    )


def stiff_gbm(rate: float = 20.0, sigma: float = 0.1) -> Model:
    """Stiff geometric Brownian motion in 25 dimensions, $dy = A y\\,dt + \\sigma y\\,dW$ (Ito).

    $A = Q D Q^\\top$ has the eigenvalues $-r(1 + i/25)$ for $i = 1, \\dots, 25$ and the rate $r$;
    $Q$ is orthogonal, random and always the same. $y_0$ is a vector of ones.

    The defaults are those of arXiv 2509.20599. The equation there has no circle and its data
    come from Euler steps, so it is read as Ito: the Stratonovich drift is $(A - \\sigma^2/2)\\,y$.
    It is read with one Brownian motion, with which $\\sigma y\\,dW$ is a vector as it is written;
    then $A$ commutes with the noise and the solution is
    $\\exp((A - \\sigma^2/2)\\,t + \\sigma W_t)\\,y_0$. With a noise for each component, which the
    paper does not exclude, no closed form is known.
    """
    dim = 25
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))
    drift = Decay(rate, (basis * (1 + np.arange(1, dim + 1) / dim)) @ basis.T)
    y0 = np.ones(dim)
    return Model(
        name="stiff_gbm",
        title="Stiff GBM, d = 25",
        why="At 14 steps EES25, with three evaluations each, holds it; RK4, with four, does not.",
        latex=r"dy = \big(A - \tfrac12 \sigma^2\big)\,y\,dt + \sigma y \circ dW,\qquad"
        r" A = Q D Q^\top,\quad D_{ii} = -r\,(1 + i/25)",
        field=ito_to_stratonovich(drift, Proportional(sigma), Scalar()),
        y0=y0,
        horizon=1.0,
        steps=14,
        components=tuple(f"y_{{{i + 1}}}" for i in range(dim)),
        parameters=(
            Parameter("rate", rate, 0.0, 200.0, "r", "1/time"),
            Parameter("sigma", sigma, 0.0, 3.0, r"\sigma", "1/√time"),
        ),
        exact=StiffSolution(drift, sigma, y0),
    )


LINEAR = {
    "ornstein_uhlenbeck": ornstein_uhlenbeck,
    "geometric_brownian_motion": geometric_brownian_motion,
    "linear_test": linear_test,
    "stiff_gbm": stiff_gbm,
}
