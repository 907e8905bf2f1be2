"""How accurate is it? Strong, weak and pathwise errors against the step size, over many paths."""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ees._pytree import as_arrays, distance
from ees.diagnostics.error_curve import ErrorCurve, error_curve
from ees.diagnostics.gradients import Float64, float64, half_square
from ees.drivers import AbstractDriver, Brownian, divisors
from ees.fields import AbstractField
from ees.schemes import RK4, AbstractScheme
from ees.solve import solve


# More times than this add nothing to a maximum over the path, and cost memory.
_MOST_TIMES = 64


class Convergence(eqx.Module):
    """How the errors of a scheme fall with the step size.

    - `steps`: `(counts,)`, the step counts; `hs`: `(counts,)`, the steps in units of time.
    - `strong`: $(\\mathbb E|y_h(T) - y(T)|^2)^{1/2}$.
    - `weak`: $|\\mathbb E\\phi(y_h(T)) - \\mathbb E\\phi(y(T))|$. Both expectations are over the
      same paths, so that what their samples share cancels.
    - `pathwise`: $\\exp \\mathbb E \\log \\max_t |y_h(t) - y(t)|$, the error of a typical path; the
      maximum is over at most 65 times that all step counts share.
    - `evaluations`: `(counts,)`, field evaluations, the mean over the paths.
    - `diverged`: `(counts,)`, the number of paths whose values were not all finite.
    - `paths`: the number of paths; 1 for an ODE.
    """

    steps: Int[np.ndarray, " counts"]
    hs: Float[np.ndarray, " counts"]
    strong: ErrorCurve
    weak: ErrorCurve
    pathwise: ErrorCurve
    evaluations: Float[np.ndarray, " counts"]
    diverged: Int[np.ndarray, " counts"]
    paths: int = eqx.field(static=True)


def convergence(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver | Callable[[PRNGKeyArray], AbstractDriver],
    y0: PyTree[Array],
    *,
    counts: Sequence[int],
    fine: int,
    exact: Callable | None = None,
    reference: AbstractScheme = RK4(),
    functional: Callable[[PyTree[Array]], Float[Array, ""]] = half_square,
    paths: int = 256,
    key: PRNGKeyArray | None = None,
    batch: int = 64,
) -> Convergence:
    """Solves at several step counts along the same paths and compares with the solution.

    **Arguments:**

    - `field`, `scheme`, `y0`: as for `ees.solve`.
    - `driver`: a function from a random key to a driver; or one driver, for the one path that
      it holds or for an ODE. It must hold its path fixed while the steps change: `BrownianPath`
      and its like, or `Clock`.
    - `counts`: different step counts that the driver can take, each less than `fine`.
    - `fine`: the number of steps of the reference solution. Errors are understated as it gets
      near: by $(h_\\text{fine}/h)^p$ of themselves at order $p$.
    - `exact`: `exact(ts, ws)`, the solution at evenly spaced times `(points,)` of a path with
      the values `ws` `(points, noise)`, as in `ees.Model`; it is given `fine + 1` points.
    - `reference`: the scheme of the reference solution, where there is no `exact`; it runs in
      float64 where JAX has that. Taken equal to `scheme`, it shows convergence, but not to what.
    - `functional`: $\\phi$, from a value to a scalar, for the weak error.
    - `paths`, `key`: how many paths; path `i` is that of `fold_in(key, i)`, and the key is
      `jr.key(0)` unless given. `batch`: how many paths are held in memory at a time.

    **Returns:** a `Convergence`, its points in the order of `counts`. Other parameters, paths or
    counts (as many, with as many times in common) compile nothing new.

    **Raises:** `ValueError` for counts, `fine`, `paths` or `batch` that are not as above, or as
    `ees.solve` and the driver's `with_steps`.
    """
    y0, key = as_arrays(y0), jr.key(0) if key is None else key
    draw, paths = (driver, paths) if callable(driver) else (lambda key: driver, 1)
    some = draw(key)
    counts = _check(some, counts, fine, paths, batch)
    batch = min(batch, paths)
    # The last batch is filled up, so that all have one size, and cut off again below.
    keys = jax.vmap(lambda i: jr.fold_in(key, i))(jnp.arange(-(-paths // batch) * batch))
    shared = math.gcd(fine, *counts)
    times = max(n for n in divisors(shared) if n <= _MOST_TIMES)
    # As an array, a number of steps is traced; an exact solution needs its number of points.
    solution = (reference, jnp.asarray(fine, jnp.int32)) if exact is None else (exact, int(fine))
    problem = field, scheme, y0, solution, functional, jnp.asarray(counts, jnp.int32), times
    # Drawn out here, so that another function that draws is not another program.
    batches = keys.reshape(-1, batch)
    found = [_compare(eqx.filter_vmap(draw)(keys), *problem) for keys in batches]
    end, largest, gain, evaluations, size, value = (
        np.concatenate([np.asarray(part, float) for part in parts], axis=-1)[..., :paths]
        for parts in zip(*found)
    )
    diverged = ~np.isfinite(largest)
    rounding = 1e3 * max(float(jnp.finfo(leaf.dtype).eps) for leaf in jtu.tree_leaves(y0))
    floor, weak_floor = rounding * np.sqrt(np.mean(size**2)), rounding * np.mean(np.abs(value))
    end, largest, gain = (np.where(diverged, np.inf, errors) for errors in (end, largest, gain))
    gain = gain * np.where(gain.mean(axis=1, keepdims=True) < 0, -1, 1)
    hs = float(some.t1 - some.t0) / counts
    # A path may have left for 1e200 and still be a number.
    with np.errstate(divide="ignore", over="ignore"):
        logarithm, square = np.log(largest), end**2
    return Convergence(
        steps=counts,
        hs=hs,
        strong=error_curve(hs, square, np.sqrt, floor),
        weak=error_curve(hs, gain, lambda mean: np.maximum(mean, 0), weak_floor, signed=True),
        pathwise=error_curve(hs, logarithm, np.exp, floor),
        evaluations=evaluations.mean(axis=1),
        diverged=diverged.sum(axis=1),
        paths=paths,
    )


@eqx.filter_jit
def _compare(drivers, field, scheme, y0, solution, functional, counts, times):
    """Errors `(counts, paths)`: at the end, the largest, of the functional; and evaluations.
    Then the size and the functional of the solution itself at the end, `(paths,)`."""
    how, resolution = solution
    double = jax.config.jax_enable_x64
    if isinstance(how, AbstractScheme):
        wanted = _run(field, how, drivers, y0, resolution, times, double).ys
    else:
        wanted = _known(how, drivers, resolution, times, double)
    end = _last(wanted)
    value = jax.vmap(functional)(end)

    def at(n):
        found = _run(field, scheme, drivers, y0, n, times)
        apart = jax.vmap(jax.vmap(distance))(found.ys, wanted)
        gain = jax.vmap(functional)(_last(found.ys)) - value
        return apart[:, -1], apart.max(axis=1), gain, found.evaluations

    size = jax.vmap(distance)(end, jtu.tree_map(jnp.zeros_like, end))
    return *jax.lax.map(at, counts), size, value


def _run(field, scheme, drivers, y0, steps, times, double=False):
    if double:
        field, y0 = float64(field), float64(y0)

    def along(driver):
        # The same number of steps for all paths: a loop whose length is batched is no loop.
        driver = driver.with_steps(steps)
        driver = Float64(driver) if double else driver
        return solve(field, scheme, driver, y0, save=times + 1)

    return eqx.filter_vmap(along)(drivers)


def _known(exact, drivers, points, times, double):
    def along(driver):
        driver = driver.with_steps(points)
        driver = Float64(driver) if double else driver
        dws = jax.vmap(driver.increment)(jnp.arange(points)).dw
        if isinstance(dws, tuple):
            ts = driver.time(jnp.arange(times + 1) * (points // times))
            return exact(ts, jnp.zeros((times + 1, 1), ts.dtype))
        ws = jnp.concatenate([jnp.zeros_like(dws[:1]), jnp.cumsum(dws, axis=0)])
        ys = exact(driver.time(jnp.arange(points + 1)), ws)
        return jtu.tree_map(lambda leaf: leaf[:: points // times], ys)

    return eqx.filter_vmap(along)(drivers)


def _last(ys):
    return jtu.tree_map(lambda leaf: leaf[:, -1], ys)


def _check(driver, counts, fine, paths, batch) -> Int[np.ndarray, " counts"]:
    for name, number in (("fine", fine), ("paths", paths), ("batch", batch)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"{name}={number!r}: it must be a positive integer.")
    if len(counts) == 0 or len(set(counts)) < len(counts) or max(counts) >= fine:
        raise ValueError(
            f"counts={list(counts)}: they must be different, at least one, and each less than "
            f"fine={fine}."
        )
    if isinstance(driver, Brownian):
        raise ValueError(
            "driver=Brownian: with another number of steps it is another path; take "
            "ees.BrownianPath, which holds its path fixed."
        )
    for steps in (fine, *counts):
        driver.with_steps(steps)
    return np.asarray(counts)
