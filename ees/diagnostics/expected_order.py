"""What order may be expected? The scheme's own, capped by what its increments know of the path."""

import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ees.drivers import Increment
from ees.fields import AbstractField
from ees.schemes import AbstractScheme, AsynchronousLeapfrog, McCallumFoster, RungeKutta
from ees.trees import antisymmetric_order, order


# Below this part of its own terms a bracket is round-off.
_NOTHING = 1e-9


class Brackets(eqx.Module):
    """Which Lie brackets of the drift $f$ and the noise fields $g_j$ are zero along a path.

    - `noise`: whether there is noise at all.
    - `felt`: whether some $Dg_i\\,g_j \\ne 0$: the noise feels a state that noise moves.
    - `corrected`: whether $\\sum_j Dg_j\\,g_j \\ne 0$: Ito and Stratonovich solutions differ.
    - `area`: whether some $[g_i, g_j] \\ne 0$: the order in which noises act matters, and with it
      the area between them, which increments do not know.
    - `drift_area`: whether some $[g_j, f] \\ne 0$.
    - `curved`: whether some $[g_j, [g_j, f]] \\ne 0$.
    """

    noise: bool
    felt: bool = False
    corrected: bool = False
    area: bool = False
    drift_area: bool = False
    curved: bool = False


def brackets(
    field: AbstractField,
    noise: tuple[int, ...] | None,
    ts: Float[Array, " points"],
    ys: Float[Array, "points dim"],
) -> Brackets:
    """Looks at the brackets of a field at points of a path, in two random directions of the noise.

    **Arguments:** `field`: with a state `(dim,)`; `noise`: the shape of the noise, `None`
    without; `ts`, `ys`: times and states.

    **Returns:** a `Brackets`. Where a random direction sees nothing, no direction does.
    """
    if noise is None:
        return Brackets(False)
    sizes = np.asarray(_sizes(field, tuple(noise), ts, ys))
    found, terms = np.where(np.isfinite(sizes), sizes, 0).max(axis=0)
    felt, corrected, area, drift_area, curved = (
        bool(one > _NOTHING * of) for one, of in zip(found, terms)
    )
    # The bracket of a field with round-off is round-off.
    return Brackets(True, felt, corrected, area, drift_area, drift_area and curved)


def expected_orders(
    scheme: AbstractScheme, of: Brackets, hurst: float = 0.5
) -> tuple[float, float]:
    """The strong and the weak order of a scheme that takes increments for the path.

    For an ODE both are the order of the scheme. Driven by noise of Hurst index $H$, the local
    errors are products of $a$ times $dt$ and $b$ times $dX$, of size $h^{a + bH}$, times the
    bracket or the derivatives that they come with. Those of mean zero add up like a random walk,
    to $h^{a + bH - 1/2}$; the others, or the part of an odd power that follows $dX$ itself, like
    a sum. The smallest that is not zero wins: 2H - 1/2 for two noises that do not commute, which
    is 1/2 for a Brownian motion; H + 1/2 for noise and drift, which is 1.

    **Arguments:** `scheme`: any scheme; `of`: the `brackets` of the equation; `hurst`: $H$.

    **Returns:** the strong order, which is the pathwise one too; and the weak order, NaN for a
    rough path. An order of 0 or less: no convergence to the Stratonovich solution is expected.

    **Reference:** Kloeden, Platen (1992), ch. 10 and 14, for H = 1/2; Neuenkirch, Tindel,
    Unterberger (2010) for 2H - 1/2; the others by the count above.
    """
    p, h = _order(scheme), hurst
    if not of.noise:
        return float(p), float(p)
    strong, weak = [float(p)], [float(p)]
    if of.felt:
        # Even powers of dX have a mean; an odd one follows dX, and the rest of it averages out.
        averages = p % 2 == 0 or (p == 1 and not of.corrected)
        strong.append(min(p * h, (p + 1) * h - 0.5) if averages else (p + 1) * h - 1)
        weak.append(math.ceil(p / 2) if averages else (p - 1) / 2)
    if of.area:
        strong.append(2 * h - 0.5)
        weak.append(1.0)
    if of.curved:
        strong.append(2 * h)
        weak.append(1.0)
    if of.drift_area:
        strong.append(h + 0.5)
        weak.append(2.0)
    return min(strong), min(weak) if h == 0.5 else math.nan


def recovery_order(scheme: AbstractScheme, noise: bool, hurst: float = 0.5) -> float:
    """The order with which the start is recovered by running back from the end.

    **Arguments:** `scheme`: any scheme; `noise`: whether the equation has any; `hurst`: of it.

    **Returns:** the antisymmetric order $m$ for an ODE and $(m+1)H - 1$ with noise; `inf` for a
    scheme that is reversible by algebra. A lower bound: errors of mean zero may do better.

    **Reference:** arXiv 2509.20599, the theorem on the recovery of the initial condition.
    """
    if scheme.algebraic or not isinstance(scheme, RungeKutta):
        return math.inf
    m = antisymmetric_order(scheme)
    return (m + 1) * hurst - 1 if noise else float(m)


def _order(scheme) -> int:
    """The order for an ODE, of schemes without a tableau by their papers."""
    if isinstance(scheme, RungeKutta):
        return order(scheme)
    if isinstance(scheme, McCallumFoster):
        return order(scheme.base)
    if isinstance(scheme, AsynchronousLeapfrog) and float(scheme.damping) < 1:
        return 1
    return 2


@eqx.filter_jit
def _sizes(field, noise, ts, ys):
    """`(points, 2, 5)`: the brackets' sizes, and those of the terms that they are made of."""
    one, other = (jr.normal(jr.key(i), noise, ys.dtype) for i in range(2))

    # The state together with the time, so that a field that changes in time is a field too.
    def along(dt, direction):
        def vector(z):
            dx = Increment(jnp.asarray(dt, ys.dtype), direction)
            return jnp.concatenate([jnp.full(1, dt, ys.dtype), field(z[0], z[1:], dx)])

        return vector

    f, g, k = along(1.0, jnp.zeros(noise)), along(0.0, one), along(0.0, other)

    def derivative(a, b):
        """$Db\\,a$: how `b` changes along `a`."""
        return lambda z: jax.jvp(b, (z,), (a(z),))[1]

    def bracket(a, b):
        return lambda z: derivative(a, b)(z) - derivative(b, a)(z)

    def size(z, *fields):
        return sum(jnp.linalg.norm(a(z)) for a in fields)

    def correction(z):
        directions = jnp.eye(math.prod(noise)).reshape(-1, *noise)
        return jax.vmap(lambda e: derivative(along(0.0, e), along(0.0, e))(z))(directions)

    def at(t, y):
        z = jnp.concatenate([t[None], y])
        turned, each = bracket(g, f), correction(z)
        pairs = [
            (size(z, derivative(g, k)), size(z, derivative(g, k))),
            (jnp.linalg.norm(each.sum(0)), jnp.linalg.norm(each, axis=1).sum()),
            (size(z, bracket(g, k)), size(z, derivative(g, k), derivative(k, g))),
            (size(z, turned), size(z, derivative(g, f), derivative(f, g))),
            (size(z, bracket(g, turned)), size(z, derivative(g, turned), derivative(turned, g))),
        ]
        return jnp.array(pairs).T

    return jax.vmap(at)(ts, ys)
