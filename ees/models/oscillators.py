"""Oscillators: driven, damped and coupled, with and without noise."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import ODE, SDE, Additive
from ees.models.base import Model, Parameter, real
from ees.models.linear import Constant


class VanDerPol(eqx.Module):
    """$(v,\\ \\mu(1 - x^2) v - x)$."""

    mu: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        x, v = y[0], y[1]
        return jnp.stack([v, self.mu * (1 - x**2) * v - x])


class FitzHughNagumo(eqx.Module):
    """$(v - v^3/3 - w + I,\\ \\varepsilon (v + a - b w))$ with $a = 0.7$, $b = 0.8$."""

    current: Float[Array, ""] = eqx.field(converter=real)
    epsilon: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        v, w = y[0], y[1]
        return jnp.stack([v - v**3 / 3 - w + self.current, self.epsilon * (v + 0.7 - 0.8 * w)])


class Duffing(eqx.Module):
    """$(v,\\ x - x^3 - \\delta v + \\gamma \\cos \\omega t)$."""

    delta: Float[Array, ""] = eqx.field(converter=real)
    gamma: Float[Array, ""] = eqx.field(converter=real)
    omega: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        x, v = y[0], y[1]
        force = self.gamma * jnp.cos(self.omega * t).astype(y.dtype)
        return jnp.stack([v, x - x**3 - self.delta * v + force])


class Friction(eqx.Module):
    """$(p,\\ -V'(q) - \\gamma p)$ in the double well $V = b\\,(q^2 - 1)^2$."""

    barrier: Float[Array, ""] = eqx.field(converter=real)
    gamma: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        q, p = y[0], y[1]
        return jnp.stack([p, -4 * self.barrier * q * (q**2 - 1) - self.gamma * p])


class Swarm(eqx.Module):
    """The drift of coupled rotors: angles first, then their velocities.

    The sum over all pairs is $K\\,\\mathrm{Im}(z e^{-i\\theta_j})$ with the mean
    $z = \\frac1N \\sum_k e^{i\\theta_k}$, so that it costs $N$ and not $N^2$.
    """

    coupling: Float[Array, ""] = eqx.field(converter=real)
    mass: Float[Array, ""] = eqx.field(converter=real)
    torques: Float[Array, " oscillators"] = eqx.field(converter=real)

    def __call__(self, t, y):
        angles, velocities = jnp.split(y, 2)
        sin, cos = jnp.sin(angles), jnp.cos(angles)
        pull = self.coupling * (jnp.mean(sin) * cos - jnp.mean(cos) * sin)
        return jnp.concatenate([velocities, (self.torques + pull - velocities) / self.mass])


def _kicks(size: float, count: int = 1) -> Constant:
    """Independent noise on each of the velocities, which are the second half of the state."""
    return Constant(np.concatenate([np.zeros((count, count)), size * np.eye(count)]))


def van_der_pol(mu: float = 5.0, sigma: float = 0.5) -> Model:
    """Van der Pol's oscillator $\\ddot x = \\mu(1 - x^2)\\dot x - x$ with additive noise."""
    return Model(
        name="van_der_pol",
        title="Van der Pol",
        why="Every path falls onto one cycle: errors die out on the way there, and blow up on the "
        "way back.",
        latex=r"dx = v\,dt,\qquad dv = \big(\mu(1 - x^2)\,v - x\big)\,dt + \sigma\,dW",
        field=SDE(VanDerPol(mu), _kicks(sigma), Additive()),
        y0=np.array([2.0, 0.0]),
        horizon=20.0,
        steps=240,
        components=("x", "v"),
        parameters=(
            Parameter("mu", mu, 0.0, 20.0, r"\mu", "1/time"),
            Parameter("sigma", sigma, 0.0, 3.0, r"\sigma", "1/(time √time)"),
        ),
    )


def fitzhugh_nagumo(current: float = 0.1, epsilon: float = 0.08, sigma: float = 0.3) -> Model:
    """The FitzHugh-Nagumo neuron, with noise on its voltage and $a = 0.7$, $b = 0.8$."""
    return Model(
        name="fitzhugh_nagumo",
        title="FitzHugh-Nagumo",
        why="Excitable: a neuron that stays at rest without noise, and fires with it.",
        latex=r"dv = \big(v - \tfrac13 v^3 - w + I\big)\,dt + \sigma\,dW,\qquad"
        r" dw = \varepsilon\,(v + 0.7 - 0.8\,w)\,dt",
        field=SDE(
            FitzHughNagumo(current, epsilon), Constant(np.array([[sigma], [0.0]])), Additive()
        ),
        y0=np.array([-1.2, -0.6]),
        horizon=200.0,
        steps=240,
        components=("v", "w"),
        parameters=(
            Parameter("current", current, 0.0, 2.0, "I"),
            Parameter("epsilon", epsilon, 0.01, 1.0, r"\varepsilon", "1/time"),
            Parameter("sigma", sigma, 0.0, 2.0, r"\sigma", "1/√time"),
        ),
    )


def duffing(delta: float = 0.3, gamma: float = 0.5, omega: float = 1.2) -> Model:
    """Duffing's oscillator: a periodically forced, damped motion in a double well."""
    return Model(
        name="duffing",
        title="Duffing",
        why="Chaos without noise: two starts a millionth apart are far apart at time 100.",
        latex=r"\dot x = v,\qquad \dot v = x - x^3 - \delta v + \gamma \cos \omega t",
        field=ODE(Duffing(delta, gamma, omega)),
        y0=np.array([1.0, 0.0]),
        horizon=100.0,
        steps=480,
        components=("x", "v"),
        parameters=(
            Parameter("delta", delta, 0.0, 2.0, r"\delta", "1/time"),
            Parameter("gamma", gamma, 0.0, 2.0, r"\gamma", "length/time²"),
            Parameter("omega", omega, 0.0, 5.0, r"\omega", "1/time"),
        ),
    )


def langevin(barrier: float = 1.0, gamma: float = 0.5, temperature: float = 0.5) -> Model:
    """Kinetic Langevin dynamics in the double well $V = b\\,(q^2 - 1)^2$, at unit mass.

    The noise has the size $\\sqrt{2 \\gamma T}$ that the friction calls for: the invariant
    density is proportional to $\\exp(-(p^2/2 + V(q))/T)$, so that $p$ has the variance $T$.
    """
    parameters = (
        Parameter("barrier", barrier, 0.0, 20.0, "b", "energy"),
        Parameter("gamma", gamma, 0.0, 20.0, r"\gamma", "1/time"),
        Parameter("temperature", temperature, 0.0, 5.0, "T", "energy"),
    )
    return Model(
        name="langevin",
        title="Kinetic Langevin",
        why="Noise that pushes the momentum alone, and a known invariant density, "
        "exp(-energy / T).",
        latex=r"dq = p\,dt,\qquad dp = \big(-4b\,q\,(q^2 - 1) - \gamma p\big)\,dt"
        r" + \sqrt{2\gamma T}\,dW",
        field=SDE(Friction(barrier, gamma), _kicks(np.sqrt(2 * gamma * temperature)), Additive()),
        y0=np.array([-1.0, 0.0]),
        horizon=40.0,
        steps=160,
        components=("q", "p"),
        parameters=parameters,
    )


def kuramoto(
    oscillators: float = 8,
    coupling: float = 2.0,
    torque: float = 0.5,
    mass: float = 1.0,
    diffusion: float = 0.05,
) -> Model:
    """Rotors with inertia, each pulled towards all the others, half of them driven each way.

    $m \\ddot\\theta_j = -\\dot\\theta_j \\pm P + \\frac{K}{N} \\sum_k \\sin(\\theta_k - \\theta_j)
    + \\xi_j$ with $\\langle \\xi_j(s) \\xi_k(t) \\rangle = 2 D\\,\\delta_{jk}\\,\\delta(t - s)$.
    The second version of arXiv 2509.20599 has 1000 rotors to time 5, and the other defaults.
    They start at rest at random angles, always the same. `oscillators` is rounded to an integer,
    and another number compiles anew, for it changes the size of the state.
    """
    parameters = (
        Parameter("oscillators", oscillators, 2.0, 50.0, "N", whole=True),
        Parameter("coupling", coupling, 0.0, 20.0, "K", "1/time"),
        Parameter("torque", torque, 0.0, 5.0, "P", "1/time"),
        Parameter("mass", mass, 0.05, 10.0, "m", "time"),
        Parameter("diffusion", diffusion, 0.0, 2.0, "D", "1/time"),
    )
    count = round(oscillators)
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, count)
    numbers = range(1, count + 1)
    return Model(
        name="kuramoto",
        title="Kuramoto",
        why="Coupling against noise and torque: at K = 2 the rotors lock, at K = 0.2 they do not.",
        latex=r"m\,\ddot\theta_j = -\dot\theta_j \pm P"
        r" + \frac{K}{N} \sum_{k=1}^N \sin(\theta_k - \theta_j) + \xi_j,\qquad"
        r" \langle \xi_j(s)\,\xi_k(t) \rangle = 2D\,\delta_{jk}\,\delta(t - s)",
        field=SDE(
            Swarm(coupling, mass, torque * (-1.0) ** np.arange(count)),
            _kicks(np.sqrt(2 * diffusion) / mass, count),
            Additive(),
        ),
        y0=np.concatenate([angles, np.zeros(count)]),
        horizon=20.0,
        steps=80,
        components=(
            *(rf"\theta_{{{j}}}" for j in numbers),
            *(rf"\dot\theta_{{{j}}}" for j in numbers),
        ),
        parameters=parameters,
    )


OSCILLATORS = {
    "van_der_pol": van_der_pol,
    "fitzhugh_nagumo": fitzhugh_nagumo,
    "duffing": duffing,
    "langevin": langevin,
    "kuramoto": kuramoto,
}
