"""Neural SDEs: drift and diffusion are small random networks."""

from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Diagonal
from ees.models.base import Model, Parameter, real


def lipswish(x: Array) -> Array:
    """$0.909\\,x\\,\\mathrm{sigmoid}(x)$: smooth, with Lipschitz constant 1. arXiv 2105.13493."""
    return 0.909 * jax.nn.silu(x)


def of_time_and_state(t, y):
    """What a network sees of a point: everything."""
    return jnp.concatenate([of_time(t, y), y])


def of_state(t, y):
    """What a network sees of a point: the state alone."""
    return y


def of_time(t, y):
    """What a network sees of a point: the time alone."""
    return jnp.asarray(t, y.dtype)[None]


class Network(eqx.Module):
    """A network whose output is squashed and scaled: the drift or the diffusion.

    The networks of neural SDEs end in a tanh so that the solution cannot run away by itself.

    - `sight`: what it sees of $(t, y)$.
    """

    mlp: eqx.nn.MLP
    scale: Float[Array, ""] = eqx.field(converter=real)
    sight: Callable = eqx.field(static=True)

    def __init__(self, dim: int, width: int, scale: float, key, sight=of_time_and_state):
        inputs = jax.eval_shape(sight, jnp.zeros(()), jnp.zeros(dim)).size
        self.mlp = eqx.nn.MLP(inputs, dim, width, 2, lipswish, jnp.tanh, key=key)
        self.scale = real(scale)
        self.sight = sight

    def __call__(self, t, y):
        return self.scale * self.mlp(self.sight(t, y))


class Contracting(eqx.Module):
    """A network's drift beside a linear pull to the origin, $-\\kappa y + F(t, y)$."""

    network: Network
    rate: Float[Array, ""] = eqx.field(converter=real)

    def __call__(self, t, y):
        return self.network(t, y) - self.rate * y


def neural_sde(
    kappa: float = 1.0, drift: float = 2.0, diffusion: float = 0.4, weights: float = 0.0
) -> Model:
    """A neural SDE in four dimensions with random weights, LipSwish networks of width 16.

    $dy = (-\\kappa y + a\\,F_w(t, y))\\,dt + b\\,G_w(t, y) \\circ dW$; `weights` is the seed of
    the networks, rounded to an integer. This is the model whose gradients training needs.
    """
    parameters = (
        Parameter("kappa", kappa, 0.0, 40.0, r"\kappa", "1/time"),
        Parameter("drift", drift, 0.0, 10.0, "a", "1/time"),
        Parameter("diffusion", diffusion, 0.0, 3.0, "b", "1/√time"),
        Parameter("weights", weights, 0.0, 99.0, "w", whole=True),
    )
    dim, width = 4, 16
    drift_key, diffusion_key = jr.split(jr.key(round(weights)))
    return Model(
        name="neural_sde",
        title="Neural SDE",
        why="What one trains: 875 parameters, and a gradient for each.",
        latex=r"dy = \big(-\kappa y + a\,F_w(t, y)\big)\,dt + b\,G_w(t, y) \circ dW",
        field=SDE(
            Contracting(Network(dim, width, drift, drift_key), kappa),
            Network(dim, width, diffusion, diffusion_key),
            Diagonal(),
        ),
        y0=np.array([1.0, -0.5, 0.5, -1.0]),
        horizon=4.0,
        steps=40,
        components=tuple(f"y_{i + 1}" for i in range(dim)),
        parameters=parameters,
    )


def neural_langevin(
    kappa: float = 1.0, drift: float = 2.0, diffusion: float = 1.0, weights: float = 0.0
) -> Model:
    """The neural Langevin SDE of arXiv 2509.20599, section on Ornstein-Uhlenbeck dynamics.

    $dz = (-\\kappa z + a\\,F_w(z))\\,dt + b\\,G_w(t) \\circ dW$ in 32 dimensions with LipSwish
    networks of width 32, to time 10 at $h = 1/4$: the drift sees the state alone and the
    diffusion the time alone, one noise for each component, so that Ito and Stratonovich agree.
    The networks here are random, and the linear pull keeps the solution where it is interesting.
    The start is random too, in the paper an affine map of the data. `weights` is the seed of
    all three, rounded to an integer.
    """
    parameters = (
        Parameter("kappa", kappa, 0.0, 40.0, r"\kappa", "1/time"),
        Parameter("drift", drift, 0.0, 10.0, "a", "1/time"),
        Parameter("diffusion", diffusion, 0.0, 5.0, "b", "1/√time"),
        Parameter("weights", weights, 0.0, 99.0, "w", whole=True),
    )
    dim, width = 32, 32
    drift_key, diffusion_key, start_key = jr.split(jr.key(round(weights)), 3)
    return Model(
        name="neural_langevin",
        title="Neural Langevin SDE",
        why="What the paper trains on Ornstein-Uhlenbeck data: the noise is additive, so Ito and "
        "Stratonovich agree.",
        latex=r"dz = \big(-\kappa z + a\,F_w(z)\big)\,dt + b\,G_w(t) \circ dW",
        field=SDE(
            Contracting(Network(dim, width, drift, drift_key, of_state), kappa),
            Network(dim, width, diffusion, diffusion_key, of_time),
            Diagonal(),
        ),
        y0=np.asarray(jr.normal(start_key, (dim,)), float),
        horizon=10.0,
        steps=40,
        components=tuple(f"z_{{{i + 1}}}" for i in range(dim)),
        parameters=parameters,
    )


NEURAL = {"neural_sde": neural_sde, "neural_langevin": neural_langevin}
