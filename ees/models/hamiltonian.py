"""Hamiltonian systems: no noise, and nothing may be lost."""

import equinox as eqx
import jax, jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ees.fields import ODE
from ees.models.base import Model, Parameter, real


class InverseSquare(eqx.Module):
    """$\\dot q = p, \\dot p = -k\\,q/|q|^3$ for the state $(q_1, q_2, p_1, p_2)$."""

    strength: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        q, p = y[:2], y[2:]
        return jnp.concatenate([p, -self.strength * q / jnp.linalg.norm(q) ** 3])


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
        field=ODE(InverseSquare(strength)),
        y0=np.array([1 - eccentricity, 0.0, 0.0, fastest]),
        horizon=10.0,
        steps=96,
        components=("q_1", "q_2", "p_1", "p_2"),
        parameters=parameters,
        exact=KeplerSolution(eccentricity, strength),
    )


HAMILTONIAN = {"kepler": kepler}
