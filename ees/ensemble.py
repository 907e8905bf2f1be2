"""`ensemble` solves many paths of one equation at once, on every core or device there is."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, PyTree

from ees import drivers, fields
from ees._pytree import as_arrays
from ees.adjoints import AbstractAdjoint, RecursiveCheckpoint
from ees.drivers import AbstractDriver
from ees.fields import AbstractField
from ees.schemes import AbstractScheme
from ees.solve import Solution, prepare, run


# Entries of a state up to which the paths lie along its last axis.
_SMALL = 16
# Bytes of a state of as many paths as a CPU solves at once, and the fewest paths worth it: a step
# of a gradient works on some thirty arrays of that size, and they should stay in a core's cache.
_CACHED, _LEAST = 2**16, 128


def ensemble(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: Callable[[PyTree[Array]], AbstractDriver],
    y0: PyTree[Array] | Callable[[PyTree[Array]], PyTree[Array]],
    each: PyTree[Array],
    *,
    adjoint: AbstractAdjoint | Literal["auto"] = RecursiveCheckpoint(),
    save: Literal["end", "all"] | int = "end",
    devices: list[jax.Device] | None = None,
) -> Solution:
    """Solves one equation along many paths.

    Each path is that of `solve` along its driver alone, to round-off; it does not depend on the
    number of devices, to the bit where the field computes entry by entry. Against `jax.vmap` over
    `solve`: the gradient with respect to what all paths share is summed at every step, where that
    keeps one for each path until the end, and the paths are dealt out to the devices. A CPU solves
    its share in blocks that stay in a core's cache, one after another, where the number of paths
    has a divisor for it.

    **Arguments:**

    - `field`, `scheme`, `adjoint`, `save`: as for `solve`, the same for all paths; what an
      adjoint keeps or measures is that of all paths as one state.
    - `driver`: a function from what is a path's own to its driver. The times and the number of
      steps must be the same for all.
    - `y0`: the start of every path, or a function from what is a path's own to its start.
    - `each`: what is a path's own: random keys, or any tree of arrays with a leading axis
      `(paths,)`.
    - `devices`: where to compute; all of JAX's devices unless given. As many of them take part
      as divide the number of paths. A CPU is one device, unless `jax_num_cpu_devices` is set
      before it is first used: with one for each core, every core has its share.

    **Returns:** a `Solution` whose `ys` and `diverged_at` have a leading axis `(paths,)`; so
    have `state`, and `evaluations` where a scheme solves equations. `ts` is the same for all.

    **Raises:** `ValueError` as `solve`, and if the leaves of `each` have no common leading axis
    or the times or the steps differ.
    """
    paths = _paths(each)
    devices = jax.devices() if devices is None else list(devices)
    count = max(n for n in range(1, min(len(devices), paths) + 1) if paths % n == 0)
    start = (
        jax.vmap(y0)(each)
        if callable(y0)
        else jtu.tree_map(lambda leaf: jnp.broadcast_to(leaf, (paths, *leaf.shape)), as_arrays(y0))
    )
    start, axis = lay_out(scheme, as_arrays(start), paths)
    # Drawn out here, so that another function that draws is not another program.
    abreast = drivers.Abreast.of(driver, each, axis)
    wide = fields.Abreast.of(field, axis)
    abreast, *choices = prepare(wide, scheme, abreast, start, adjoint, save)
    problem = field, scheme, abreast, start
    blocks = _blocks(start, paths, count, devices[0])
    if count == 1:
        return _share(problem, choices, blocks)
    return _dealt_out(problem, choices, blocks, tuple(devices[:count]))


def lay_out(scheme, y0, paths: int) -> tuple[PyTree[Array], int]:
    """The starts `(paths, ...)` with their paths where they are best, and the axis that that is."""
    entries = sum(leaf.size for leaf in jtu.tree_leaves(y0)) // paths
    axis = -1 if scheme.entrywise and entries <= _SMALL else 0
    return jtu.tree_map(lambda leaf: jnp.moveaxis(leaf, 0, axis), y0), axis


def _blocks(start, paths: int, count: int, device) -> int:
    """In how many blocks, one after the other, each of `count` devices solves its paths."""
    if device.platform != "cpu":
        return 1
    path = sum(leaf.size * leaf.dtype.itemsize for leaf in jtu.tree_leaves(start)) / paths
    most, share = max(_LEAST, int(_CACHED / path)), paths // count
    # Blocks less than half full, of a number without suitable divisors, cost more than they save.
    suitable = range(1, 2 * share // most + 1)
    return next((n for n in suitable if share % n == 0 and share <= n * most), 1)


def _share(problem, choices, blocks) -> Solution:
    """`ensemble` on one device, from drivers that lie abreast and starts that do."""
    return _abreast(problem, choices) if blocks == 1 else _in_blocks(problem, choices, blocks)


@eqx.filter_jit
def _in_blocks(problem, choices, blocks):
    field, scheme, driver, start = problem

    def apart(leaf):
        if driver.axis == 0:
            return leaf.reshape(blocks, -1, *leaf.shape[1:])
        return jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], blocks, -1), -2, 0)

    def block(one):
        own, start = one
        part = dataclasses.replace(driver, own=own, paths=driver.paths // blocks)
        return _abreast((field, scheme, part, start), choices)

    found = jax.lax.map(block, jtu.tree_map(apart, (driver.own, start)))
    whole = jtu.tree_map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)
    return eqx.tree_at(lambda solution: solution.ts, whole, found.ts[0])


def _abreast(problem, choices) -> Solution:
    field, scheme, driver, start = problem
    axis, paths = driver.axis, driver.paths
    if not scheme.entrywise:

        def alone(own, y0):
            path = eqx.combine(own, driver.shared).with_steps(driver.steps)
            return run(field, scheme, path, y0, *choices)

        found = eqx.filter_vmap(alone)(driver.own, start)
        return eqx.tree_at(lambda solution: solution.ts, found, found.ts[0])
    found = run(fields.Abreast.of(field, axis), scheme, driver, start, *choices)
    return Solution(
        ts=found.ts,
        ys=jtu.tree_map(lambda leaf: jnp.moveaxis(leaf, axis or 1, 0), found.ys),
        state=jtu.tree_map(lambda leaf: jnp.moveaxis(leaf, axis, 0), found.state),
        evaluations=jnp.broadcast_to(found.evaluations, (paths,)),
        diverged_at=found.diverged_at,
    )


@eqx.filter_jit
def _dealt_out(problem, choices, blocks, devices):
    """Each device has a share of the paths, and of everything else a copy."""
    problem = *problem, choices
    arrays, rest = eqx.partition(problem, eqx.is_array)
    everywhere, by_path = PartitionSpec(), PartitionSpec("paths")
    axis = problem[2].axis

    def dealt(leaf):
        return PartitionSpec(*[None] * (leaf.ndim - 1), "paths") if axis else by_path

    specs = eqx.tree_at(
        lambda at: (at[2].own, at[3]),
        jtu.tree_map(lambda _: everywhere, arrays),
        jtu.tree_map(dealt, (arrays[2].own, arrays[3])),
    )

    def share(arrays):
        field, scheme, driver, start, choices = eqx.combine(arrays, rest)
        driver = dataclasses.replace(driver, paths=driver.paths // len(devices))
        return _share((field, scheme, driver, start), choices, blocks)

    return jax.shard_map(
        share,
        mesh=Mesh(np.array(devices), "paths"),
        in_specs=(specs,),
        out_specs=Solution(everywhere, by_path, by_path, by_path, by_path),
        check_vma=False,
    )(arrays)


def _paths(each) -> int:
    shapes = [jnp.shape(leaf) for leaf in jtu.tree_leaves(each)]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or lengths == {()} or lengths == {(0,)}:
        raise ValueError(
            f"each has leaves of the shapes {shapes}: they must have a common first axis, one "
            "entry for each path."
        )
    return lengths.pop()[0]
