"""Vector fields $f(t, y) \\cdot dX$: an ODE's drift, an SDE's drift and diffusion.

A field is split in two: `coefficients` is what costs (the neural networks), `contract` pairs
it with an increment. Schemes that meet one state with two increments evaluate it once.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ees._pytree import add, scale
from ees.drivers import Increment


class AbstractField(eqx.Module):
    """The right-hand side of $dy = f(t, y) \\cdot dX$, in the Stratonovich sense."""

    @abc.abstractmethod
    def coefficients(self, t: Float[Array, ""], y: PyTree[Array]) -> PyTree[Array]:
        """The value of $f(t, y)$, before it meets an increment."""

    @abc.abstractmethod
    def contract(self, coefficients: PyTree[Array], dx: Increment) -> PyTree[Array]:
        """$f \\cdot dX$, of the shape of the state: bilinear in both arguments."""

    @abc.abstractmethod
    def noise_shape(self, t, y: PyTree[Array]) -> tuple[int, ...] | None:
        """The shape that the driver's `dw` must have at this state; `None` without noise."""

    def __call__(self, t, y, dx: Increment) -> PyTree[Array]:
        return self.contract(self.coefficients(t, y), dx)


class ODE(AbstractField):
    """$dy = f(t, y)\\,dt$.

    - `drift`: `drift(t, y)` of the shape of `y`, per unit of time. Parameters live in it: an
      Equinox module.
    """

    drift: Callable

    def coefficients(self, t, y):
        return self.drift(t, y)

    def contract(self, coefficients, dx):
        return scale(dx.dt, coefficients)

    def noise_shape(self, t, y):
        return None


class AbstractNoise(eqx.Module):
    """How a diffusion meets the increment of the noise."""

    @abc.abstractmethod
    def contract(self, diffusion: Array, dw: Array) -> Array:
        """$g\\,dW$, of the shape of the state."""

    @abc.abstractmethod
    def noise_shape(self, y_shape: tuple, diffusion_shape: tuple) -> tuple[int, ...]:
        """The shape of `dw`, from the shapes of the state and of the diffusion.

        **Raises:** `ValueError` if the diffusion does not have the shape of this noise.
        """


class Diagonal(AbstractNoise):
    """One independent noise for each entry: the diffusion has the shape of the state."""

    def contract(self, diffusion, dw):
        return diffusion * dw.astype(diffusion.dtype)

    def noise_shape(self, y_shape, diffusion_shape):
        if diffusion_shape != y_shape:
            raise ValueError(
                f"diffusion has shape {diffusion_shape}: with Diagonal noise it must have the "
                f"shape of the state, {y_shape}."
            )
        return y_shape


class Additive(AbstractNoise):
    """Noise that does not feel the state: the diffusion is a matrix that depends on time alone.

    The matrix is `(..., d, m)` for a state `(..., d)` and noise `(..., m)`. An Ito and a
    Stratonovich equation with this noise are the same equation.
    """

    def contract(self, diffusion, dw):
        return jnp.einsum("...ij,...j->...i", diffusion, dw.astype(diffusion.dtype))

    def noise_shape(self, y_shape, diffusion_shape):
        if len(diffusion_shape) < 2 or not y_shape or diffusion_shape[-2] != y_shape[-1]:
            raise ValueError(
                f"diffusion has shape {diffusion_shape}: with Additive noise it must be a matrix "
                f"(..., {y_shape[-1] if y_shape else 'd'}, m) for a state of shape {y_shape}."
            )
        return (*y_shape[:-1], diffusion_shape[-1])


class SDE(AbstractField):
    """$dy = f(t, y)\\,dt + g(t, y) \\circ dW$, in the Stratonovich sense.

    - `drift`: `drift(t, y)` of the shape of `y`, per unit of time.
    - `diffusion`: `diffusion(t, y)`, per square root of time; its shape is the noise's affair.
    - `noise`: `Additive()` or `Diagonal()`.
    """

    drift: Callable
    diffusion: Callable
    noise: AbstractNoise

    def coefficients(self, t, y):
        return self.drift(t, y), self.diffusion(t, y)

    def contract(self, coefficients, dx):
        drift, diffusion = coefficients
        return add(scale(dx.dt, drift), self.noise.contract(diffusion, dx.dw))

    def noise_shape(self, t, y):
        diffusion = jax.eval_shape(self.diffusion, t, y)
        return self.noise.noise_shape(jnp.shape(y), diffusion.shape)
