"""The matrix of one step on the linear test equation, read off the scheme's own `step`.

On $dy = \\lambda y\\,dt + \\mu y \\circ dW$ a step multiplies the scheme's state by a matrix
$M(\\rho)$ with $\\rho = \\lambda\\,dt + \\mu\\,dW$: by a number $R(\\rho)$ for a Runge-Kutta
scheme, by a 2 x 2 matrix for a scheme that carries a second copy of the solution.
"""

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Complex, Float

from ees.drivers import Increment
from ees.fields import AbstractField
from ees.schemes import AbstractScheme


class Rotation(AbstractField):
    """$y' = \\rho y$ with a complex $\\rho$, where $y$ is the pair of its real and imaginary parts.

    A pair, so that a scheme that solves equations needs no complex arithmetic. The coefficients
    are `y` itself: a scheme that keeps them from one step to the next keeps nothing of `rho`,
    and steps with different `rho` can follow each other.
    """

    rho: Complex[Array, ""]

    def coefficients(self, t, y):
        return y

    def contract(self, coefficients, dx):
        turned = jnp.stack([-coefficients[1], coefficients[0]])
        return dx.dt * (self.rho.real * coefficients + self.rho.imag * turned)

    def noise_shape(self, t, y):
        return None


class _State:
    """The entries of a scheme's state that are like the solution, as one vector.

    Others, such as the residual that an implicit scheme reports, obey no linear recurrence; they
    stay as they are at rest.
    """

    def __init__(self, scheme: AbstractScheme):
        rest = scheme.init(Rotation(jnp.zeros((), complex)), jnp.zeros(()), jnp.zeros(2))
        self.leaves, self.structure = jtu.tree_flatten(rest)
        self.alike = [i for i, leaf in enumerate(self.leaves) if leaf.shape == (2,)]

    @property
    def units(self):
        return jnp.eye(len(self.alike))

    def pack(self, vector):
        leaves = list(self.leaves)
        for i, number in zip(self.alike, vector):
            leaves[i] = jnp.stack([number, jnp.zeros(())])
        return jtu.tree_unflatten(self.structure, leaves)

    def unpack(self, state):
        leaves = jtu.tree_leaves(state)
        return jnp.stack([leaves[i][0] + 1j * leaves[i][1] for i in self.alike])


def _step_matrix(scheme, rho):
    state, dx = _State(scheme), Increment(jnp.ones(()))

    def column(unit):
        return state.unpack(scheme.step(Rotation(rho), jnp.zeros(()), state.pack(unit), dx))

    return jax.vmap(column, out_axes=1)(state.units)


@eqx.filter_jit
def step_matrices(
    scheme: AbstractScheme, coordinates: Float[Array, "n copies"], rho: Complex[Array, "..."]
) -> Complex[Array, "... n n"]:
    """$M(\\rho)$ for every `rho` of an array, in coordinates from `coordinates_of`."""

    def matrix(rho):
        return coordinates @ _step_matrix(scheme, rho) @ coordinates.T

    return jax.vmap(matrix)(rho.ravel()).reshape(*rho.shape, *2 * coordinates.shape[:1])


def coordinates_of(scheme: AbstractScheme) -> Float[np.ndarray, "n copies"]:
    """Orthonormal coordinates of the part of a state that a solution reaches and shows.

    A state may hold a number twice: Reversible Heun keeps coefficients, which are `v` again.
    Such entries add eigenvalues 0, and cost dearly where the matrix is squared.
    """
    matrices, start, shows = (np.asarray(found).real for found in _probe(scheme))
    reached = _closure(start, matrices)
    shown = _closure(reached @ shows, reached @ matrices.transpose(0, 2, 1) @ reached.T)
    return shown @ reached


@eqx.filter_jit
def _probe(scheme):
    """Two step matrices, where a solution starts in the state, and how a state shows it."""
    state, zero = _State(scheme), jnp.zeros(())
    matrices = jax.vmap(lambda rho: _step_matrix(scheme, rho))(jnp.array([0.3, -0.7]) + 0j)
    start = state.unpack(scheme.init(Rotation(zero + 0j), zero, jnp.array([1.0, 0.0])))
    return matrices, start, jax.vmap(lambda unit: scheme.value(state.pack(unit))[0])(state.units)


def _closure(vector, matrices):
    """Orthonormal rows that span all that products of the matrices make of a vector."""
    rows = vector[None]
    for _ in range(len(vector)):
        rows = np.concatenate([rows, *(rows @ matrix.T for matrix in matrices)])
        _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
        rows = basis[sizes > 1e-4 * sizes[0]]
    return rows


def degree_of(scheme: AbstractScheme, coordinates: Float[np.ndarray, "n copies"]) -> int | None:
    """The degree of $M(\\rho)$ in $\\rho$, `None` if it is no polynomial of degree 24 or less.

    From the Fourier coefficients of $M$ on a circle, which are those of its powers. The circle
    passes close to the pole of the implicit midpoint rule, 2, where they hardly fall.
    """
    points = 32
    circle = 1.9 * np.exp(2j * np.pi * np.arange(points) / points)
    found = np.asarray(step_matrices(scheme, coordinates, jnp.asarray(circle)))
    sizes = np.abs(np.fft.fft(found, axis=0)).max(axis=(1, 2))
    degree = np.flatnonzero(sizes > 100 * np.finfo(found.dtype).eps * sizes.max()).max()
    return int(degree) if degree <= 24 else None
