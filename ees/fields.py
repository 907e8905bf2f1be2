"""Vector fields $f(t, y) \\cdot dX$: an ODE's drift, an SDE's drift and diffusion.

A field is split in two: `coefficients` is what costs (the neural networks), `contract` pairs
it with an increment. Schemes that meet one state with two increments evaluate it once.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from ees._pytree import add, add_scaled, all_finite, as_arrays, scale
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
    def noise_shape(self, t, y: PyTree[Array]) -> tuple[int, ...] | PyTree | None:
        """The shape that the driver's `dw` must have at this state; `None` without noise.

        A tuple where `dw` is one array, a tree of `jax.ShapeDtypeStruct` where it is a tree:
        what a driver takes as its `shape`.
        """

    def __call__(self, t, y, dx: Increment) -> PyTree[Array]:
        return self.contract(self.coefficients(t, y), dx)

    @property
    def lanes(self) -> bool:
        """Whether the last axis of a state counts paths."""
        return False

    def finite(self, y: PyTree[Array]) -> Bool[Array, "..."]:
        """Whether a value is finite in every entry: a scalar; of many paths, one for each."""
        return all_finite(y)


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
    """How a diffusion meets the increment of the noise, on any tree of a state."""

    @abc.abstractmethod
    def contract(self, diffusion: PyTree[Array], dw: PyTree[Array]) -> PyTree[Array]:
        """$g\\,dW$, of the shape of the state."""

    @abc.abstractmethod
    def like(self, y: PyTree, diffusion: PyTree) -> PyTree[jax.ShapeDtypeStruct]:
        """What `dw` must be, from the shapes of the state and of the diffusion there.

        **Raises:** `ValueError` if the diffusion does not have the shape of this noise.
        """


class Diagonal(AbstractNoise):
    """One independent noise for each entry: the diffusion has the shape of the state."""

    def contract(self, diffusion, dw):
        return jtu.tree_map(lambda g, w: g * w.astype(g.dtype), diffusion, dw)

    def like(self, y, diffusion):
        _check_entries(self, y, diffusion)
        return jtu.tree_map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, _real(leaf)), y)


class Scalar(AbstractNoise):
    """One noise for the whole state: the diffusion has the state's shape, `dw` the shape `()`."""

    def contract(self, diffusion, dw):
        return jtu.tree_map(lambda g: g * dw.astype(g.dtype), diffusion)

    def like(self, y, diffusion):
        _check_entries(self, y, diffusion)
        return jax.ShapeDtypeStruct((), _real(*jtu.tree_leaves(y)))


class _Matrix(AbstractNoise):
    """Noise `(..., m)` that meets a matrix `(..., d, m)` for each leaf `(..., d)` of the state."""

    def contract(self, diffusion, dw):
        def product(g):
            return jnp.einsum("...ij,...j->...i", g, dw.astype(g.dtype))

        return jtu.tree_map(product, diffusion)

    def like(self, y, diffusion):
        shapes = set()
        for path, leaf, g in _pairs(y, diffusion):
            if len(g.shape) < 2 or not leaf.shape or g.shape[-2] != leaf.shape[-1]:
                raise ValueError(
                    f"diffusion{path} has shape {g.shape}: with {type(self).__name__} noise it "
                    f"must be a matrix (..., {leaf.shape[-1] if leaf.shape else 'd'}, m) for a "
                    f"state of shape {leaf.shape}."
                )
            shapes.add((*leaf.shape[:-1], g.shape[-1]))
        if len(shapes) > 1:
            raise ValueError(
                f"diffusion: its leaves need noise of the shapes {sorted(shapes)}; with "
                f"{type(self).__name__} noise all leaves of the state feel the same noise."
            )
        return jax.ShapeDtypeStruct(*shapes, _real(*jtu.tree_leaves(y)))


class Additive(_Matrix):
    """Noise that does not feel the state: the diffusion is a matrix that depends on time alone.

    The matrix is `(..., d, m)` for a state `(..., d)` and noise `(..., m)`. An Ito and a
    Stratonovich equation with this noise are the same equation.
    """


class General(_Matrix):
    """A matrix of the state and of time: `(..., d, m)` for a state `(..., d)`, noise `(..., m)`.

    Its columns do not commute in general, and the strong order of a scheme that sees increments
    alone is then 1/2, whatever the scheme.
    """


class SDE(AbstractField):
    """$dy = f(t, y)\\,dt + g(t, y) \\circ dW$, in the Stratonovich sense.

    - `drift`: `drift(t, y)` of the shape of `y`, per unit of time.
    - `diffusion`: `diffusion(t, y)`, per square root of time; its shape is the noise's affair.
    - `noise`: `Additive()`, `Scalar()`, `Diagonal()` or `General()`.
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
        like = self.noise.like(*_shapes(self.diffusion, t, y))
        return like.shape if isinstance(like, jax.ShapeDtypeStruct) else like


class ItoDrift(eqx.Module):
    """The Stratonovich drift $f - \\tfrac12 \\sum_j (D g_j)\\,g_j$ of an Ito equation.

    $g_j$ is what the diffusion gives for a unit of noise $j$ alone.
    """

    drift: Callable
    diffusion: Callable
    noise: AbstractNoise

    def __call__(self, t, y):
        like = self.noise.like(*_shapes(self.diffusion, t, y))
        zeros, unravel = ravel_pytree(jtu.tree_map(lambda s: jnp.zeros(s.shape, s.dtype), like))

        def twice_the_correction(unit):
            def along(y):
                return self.noise.contract(self.diffusion(t, y), unravel(unit))

            return jax.jvp(along, (y,), (along(y),))[1]

        each = jax.vmap(twice_the_correction)(jnp.eye(zeros.size, dtype=zeros.dtype))
        total = jtu.tree_map(lambda leaf: jnp.sum(leaf, axis=0), each)
        return add_scaled(self.drift(t, y), -0.5, total)


class Abreast(AbstractField):
    """Many paths of one equation as one equation, the paths along an axis of the state.

    The vector unit works along the last axis, and a state's own axes may be short.

    - `own`: the equation, of which the arrays that differ from path to path have a last axis
      `(paths,)`, the rest left out; `shared`: that rest.
    - `axis`: -1 or 0, where the paths are.
    """

    own: AbstractField
    shared: AbstractField
    axis: int = eqx.field(static=True, default=-1)

    @classmethod
    def of(cls, field: AbstractField, axis: int = -1) -> "Abreast":
        """Paths of one and the same equation."""
        return cls(*eqx.partition(field, lambda _: False), axis)

    @property
    def lanes(self):
        return self.axis == -1

    def coefficients(self, t, y):
        def one(own, y):
            return eqx.combine(own, self.shared).coefficients(t, y)

        return jax.vmap(one, in_axes=self.axis, out_axes=self.axis)(self.own, y)

    def contract(self, coefficients, dx):
        def one(own, coefficients, dw):
            field = eqx.combine(own, self.shared)
            return field.contract(coefficients, Increment(dx.dt, dw))

        return jax.vmap(one, in_axes=self.axis, out_axes=self.axis)(self.own, coefficients, dx.dw)

    def noise_shape(self, t, y):
        axis, paths = self.axis, jtu.tree_leaves(y)[0].shape[self.axis]
        one = jtu.tree_map(lambda leaf: jnp.take(leaf, 0, axis=axis), y)
        shape = eqx.combine(self.own, self.shared).noise_shape(t, one)

        def of_all(shape):
            return (*shape, paths) if axis else (paths, *shape)

        if shape is None or isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
            return None if shape is None else of_all(shape)
        return jtu.tree_map(lambda s: jax.ShapeDtypeStruct(of_all(s.shape), s.dtype), shape)

    def finite(self, y):
        def one(own, y):
            return eqx.combine(own, self.shared).finite(y)

        return jax.vmap(one, in_axes=self.axis, out_axes=self.axis)(self.own, y)


def ito_to_stratonovich(drift: Callable, diffusion: Callable, noise: AbstractNoise) -> SDE:
    """The Stratonovich equation with the solution of $dy = f\\,dt + g\\,dW$ in the sense of Ito.

    $dy = \\big(f - \\tfrac12 \\sum_j (D g_j)\\,g_j\\big)dt + g \\circ dW$ with one
    Jacobian-vector product for each entry of the noise, batch axes included: to run many paths
    at once, `jax.vmap` the solve. With `Additive` noise there is nothing to correct.

    **Arguments:** as for `SDE`, in the sense of Ito.

    **Returns:** an `SDE`, whose drift feels the parameters of `diffusion` too.

    **Reference:** Kloeden, Platen, Numerical Solution of Stochastic Differential Equations, 4.9.
    """
    if isinstance(noise, Additive):
        return SDE(drift, diffusion, noise)
    return SDE(ItoDrift(drift, diffusion, noise), diffusion, noise)


def _shapes(diffusion, t, y):
    """The shapes and types of the state and of the diffusion there."""
    y = jax.eval_shape(as_arrays, y)
    return y, jax.eval_shape(diffusion, t, y)


def _pairs(y, diffusion):
    """The leaves of a state and of its diffusion side by side, with where they are."""
    if jtu.tree_structure(y) != jtu.tree_structure(diffusion):
        raise ValueError(
            f"diffusion has the structure {jtu.tree_structure(diffusion)}: it must have that of "
            f"the state, {jtu.tree_structure(y)}."
        )
    paths, _ = jtu.tree_flatten_with_path(y)
    return [(jtu.keystr(p), leaf, g) for (p, leaf), g in zip(paths, jtu.tree_leaves(diffusion))]


def _check_entries(noise, y, diffusion) -> None:
    for path, leaf, g in _pairs(y, diffusion):
        if g.shape != leaf.shape:
            raise ValueError(
                f"diffusion{path} has shape {g.shape}: with {type(noise).__name__} noise it must "
                f"have the shape of the state, {leaf.shape}."
            )


def _real(*leaves):
    """The real type of the noise that meets these leaves."""
    return jnp.finfo(jnp.result_type(*leaves)).dtype
