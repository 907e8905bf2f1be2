"""Neural SDEs: drift and diffusion are small random networks."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ees.fields import SDE, Diagonal
from ees.models.base import Model, Parameter, real


def lipswish(x: Array) -> Array:
    """$0.909\\,x\\,\\mathrm{sigmoid}(x)$: smooth, with Lipschitz constant 1. arXiv 2105.13493."""
    return 0.909 * jax.nn.silu(x)


class Network(eqx.Module):
    """A network of $(t, y)$ whose output is squashed and scaled: the drift or the diffusion.

    The networks of neural SDEs end in a tanh so that the solution cannot run away by itself.
    """

    mlp: eqx.nn.MLP
    scale: Float[Array, ""] = eqx.field(converter=real)

    def __init__(self, dim: int, width: int, scale: float, key):
        self.mlp = eqx.nn.MLP(dim + 1, dim, width, 2, lipswish, jnp.tanh, key=key)
        self.scale = real(scale)

    def __call__(self, t, y):
        return self.scale * self.mlp(jnp.concatenate([jnp.asarray(t, y.dtype)[None], y]))


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
        Parameter("weights", weights, 0.0, 99.0, "w"),
    )
    dim, width = 4, 16
    drift_key, diffusion_key = jr.split(jr.key(int(round(weights))))
    return Model(
        name="neural_sde",
        title="Neural SDE",
        why="What one trains: a thousand parameters, and a gradient for each.",
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


NEURAL = {"neural_sde": neural_sde}
