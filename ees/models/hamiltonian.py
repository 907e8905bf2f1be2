"""Hamiltonian systems: no noise, and nothing may be lost."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import ODE
from ees.models.base import Model, Parameter, real


class Canonical(eqx.Module):
    """Hamilton's equations $\\dot q = \\partial H/\\partial p, \\dot p = -\\partial H/\\partial q$.

    - `energy`: $H$ of a state $(q, p)$ of even length: a scalar, constant along a solution.
    """

    energy: eqx.Module

    def __call__(self, t, y):
        along_q, along_p = jnp.split(jax.grad(self.energy)(y), 2)
        return jnp.concatenate([along_p, -along_q])


class InverseSquare(eqx.Module):
    """$\\tfrac12 |p|^2 - k/|q|$ in the plane."""

    strength: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, y):
        q, p = y[:2], y[2:]
        return 0.5 * p @ p - self.strength / jnp.linalg.norm(q)


class Gravity(eqx.Module):
    """$\\tfrac12 p^2 - \\omega^2 \\cos q$: a pendulum at the angle $q$ from its rest."""

    omega: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, y):
        q, p = y[0], y[1]
        return 0.5 * p**2 - self.omega**2 * jnp.cos(q)


class Galaxy(eqx.Module):
    """A star in the logarithmic potential of a galaxy that turns about its third axis.

    $H = \\tfrac12 |p|^2 + \\Omega (p_1 q_2 - p_2 q_1) + A \\ln(C + \\sum_i q_i^2/a_i^2)$ with
    $A = C = 1$, in the frame that turns with it.
    """

    rotation: Float[Array, ""] = eqx.field(converter=real)
    axes: Float[Array, "3"] = eqx.field(converter=real)

    def __call__(self, y):
        q, p = y[:3], y[3:]
        spin = self.rotation * (p[0] * q[1] - p[1] * q[0])
        return 0.5 * p @ p + spin + jnp.log(1 + jnp.sum((q / self.axes) ** 2))


class KeplerSolution(eqx.Module):
    """The orbit from its pericentre, with Kepler's equation solved by Newton's method."""

    eccentricity: Float[Array, ""] = eqx.field(converter=real)
    strength: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        e, rate = self.eccentricity, jnp.sqrt(self.strength)
        minor, mean = jnp.sqrt(1 - e**2), rate * ts

        def newton(_, angle):
            return angle - (angle - e * jnp.sin(angle) - mean) / (1 - e * jnp.cos(angle))

        angle = jax.lax.fori_loop(0, 60, newton, mean + e * jnp.sin(mean))
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        speed = rate / (1 - e * cos)
        return jnp.stack([cos - e, minor * sin, -speed * sin, speed * minor * cos], axis=1)


class PendulumSolution(eqx.Module):
    """The swing from rest, in Jacobi's elliptic functions of modulus $k = \\sin(q_0/2)$.

    $\\sin(q/2) = k\\,\\mathrm{cd}(\\omega t)$ and $p = -2 k k' \\omega\\,\\mathrm{sd}(\\omega t)$,
    by Gauss's arithmetic-geometric mean.
    """

    omega: Float[Array, ""] = eqx.field(converter=real)
    angle: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, ts, ws):
        k, other = jnp.sin(self.angle / 2), jnp.cos(self.angle / 2)
        # Six means, each with twice the digits of the one before, are exact in float64.
        mean, ratios = (jnp.ones_like(other), other), []
        for _ in range(6):
            ratios.append((mean[0] - mean[1]) / (mean[0] + mean[1]))
            mean = (mean[0] + mean[1]) / 2, jnp.sqrt(mean[0] * mean[1])
        phase = 2 ** len(ratios) * mean[0] * self.omega * ts
        for ratio in reversed(ratios):
            phase = (phase + jnp.arcsin(ratio * jnp.sin(phase))) / 2
        sn, cn = jnp.sin(phase), jnp.cos(phase)
        # tan(q / 2) = k cn / k', which unlike an arcsine keeps its digits near the top.
        q = 2 * jnp.arctan2(k * cn, other)
        dn = jnp.hypot(other, k * cn)
        return jnp.stack([q, -2 * k * other * self.omega * sn / dn], axis=1)


def kepler(eccentricity: float = 0.0, strength: float = 1.0) -> Model:
    """The Kepler problem in the plane, from the pericentre of an ellipse of semi-axis 1.

    With `eccentricity=0`, `strength=1` and 100 steps to time 10 it is the inverse-square
    attraction of arXiv 2507.21006.
    """
    parameters = (
        Parameter("eccentricity", eccentricity, 0.0, 0.8, "e"),
        Parameter("strength", strength, 0.1, 10.0, "k", "length³/time²"),
    )
    fastest = np.sqrt(strength * (1 + eccentricity) / (1 - eccentricity))
    return Model(
        name="kepler",
        title="Kepler",
        why="An ODE whose orbit closes: EES schemes find their way back to the start far better "
        "than RK4, which is far more accurate on the way there.",
        latex=r"\dot q = p,\qquad \dot p = -k\,\frac{q}{|q|^3}",
        field=ODE(Canonical(InverseSquare(strength))),
        y0=np.array([1 - eccentricity, 0.0, 0.0, fastest]),
        horizon=10.0,
        steps=96,
        components=("q_1", "q_2", "p_1", "p_2"),
        parameters=parameters,
        exact=KeplerSolution(eccentricity, strength),
    )


def pendulum(omega: float = 1.0, angle: float = 2.5) -> Model:
    """The pendulum $\\dot q = p,\\ \\dot p = -\\omega^2 \\sin q$, let go at rest at an angle."""
    parameters = (
        Parameter("omega", omega, 0.1, 10.0, r"\omega", "1/time"),
        Parameter("angle", angle, -3.1, 3.1, r"q_0", "rad"),
    )
    return Model(
        name="pendulum",
        title="Pendulum",
        why="EES27 keeps the energy far better than RK4, at half its order; the exact solution "
        "is elliptic.",
        latex=r"\dot q = p,\qquad \dot p = -\omega^2 \sin q",
        field=ODE(Canonical(Gravity(omega))),
        y0=np.array([angle, 0.0], float),
        horizon=40.0,
        steps=126,
        components=("q", "p"),
        parameters=parameters,
        exact=PendulumSolution(omega, angle),
    )


def galactic_orbit(
    rotation: float = 0.25, energy: float = 2.0, b: float = 1.0, c: float = 0.75
) -> Model:
    """A star in a triaxial galaxy that turns: $H$ as in `Galaxy`, with semi-axes 1.25, $b$, $c$.

    It starts at $q = (2.5, 0, 0)$ with $p = (0, p_2, 0.2)$, where $p_2$ is the larger of the two
    with the energy asked for. The defaults are the galactic orbit of arXiv 2507.21006, there
    with $h = 1/40$.
    """
    parameters = (
        Parameter("rotation", rotation, 0.0, 1.0, r"\Omega", "1/time"),
        Parameter("energy", energy, 1.7, 4.0, "H", "length²/time²"),
        Parameter("b", b, 0.5, 2.0, "b", "length"),
        Parameter("c", c, 0.5, 2.0, "c", "length"),
    )
    a, q1, p3 = 1.25, 2.5, 0.2
    # H = p2^2 / 2 - rotation q1 p2 + rest, solved for p2.
    rest = 0.5 * p3**2 + np.log(1 + (q1 / a) ** 2)
    p2 = rotation * q1 + np.sqrt((rotation * q1) ** 2 + 2 * (energy - rest))
    return Model(
        name="galactic_orbit",
        title="Galactic orbit",
        why="A long orbit: at h = 1/40 EES27 keeps the energy a thousand times better than RK4, at "
        "half its order.",
        latex=r"H = \tfrac12 |p|^2 + \Omega\,(p_1 q_2 - p_2 q_1)"
        r" + \ln\Big(1 + \frac{q_1^2}{1.25^2} + \frac{q_2^2}{b^2} + \frac{q_3^2}{c^2}\Big)",
        field=ODE(Canonical(Galaxy(rotation, (a, b, c)))),
        y0=np.array([q1, 0.0, 0.0, 0.0, p2, p3]),
        horizon=100.0,
        steps=480,
        components=("q_1", "q_2", "q_3", "p_1", "p_2", "p_3"),
        parameters=parameters,
    )


HAMILTONIAN = {"kepler": kepler, "pendulum": pendulum, "galactic_orbit": galactic_orbit}
