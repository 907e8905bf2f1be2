"""`jax.vmap` over a solve, with the paths along the last axis where the state is small.

XLA vectorises over the last axis. Mapped over, a state of three entries is an array `(paths, 3)`
and every operation on it works on three numbers at a time; as `(3, paths)` it is several times
faster. The loops of an adjoint are wrapped here, inside of its derivative rule: what has a rule
of its own for batching cannot be differentiated backwards.
"""

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
from jax.extend.core import jaxpr_as_fun

from ees import drivers, fields


# Entries of a state, and of what is differentiated, up to which a copy for each path pays.
_SMALL = 16


def in_lanes(loop, problem, asked, shared, rest):
    """`loop(problem, asked, shared, rest)`, which knows how to be mapped over.

    **Arguments:** `problem`: scheme, field, driver, `y0`; `asked`: for each of its leaves whether
    the loop differentiates it, or `None`; `shared`: a tree; `rest`: a tree of arrays, which have
    the paths along the last axis where the problem has.

    **Returns:** what `loop` gives: the gradient with respect to what is asked, in the structure
    of the problem, or `None`; and any tree of arrays like those of `rest`.
    """
    arrays, static = eqx.partition((problem, shared, rest), eqx.is_array)

    def run(arrays):
        problem, shared, rest = eqx.combine(arrays, static)
        return loop(problem, asked, shared, rest)

    if jax.config.jax_disable_jit:
        # Who looks for a fault wants to see Python run step by step; the rule would trace it.
        return run(arrays)
    program, like = jax.make_jaxpr(run, return_shape=True)(arrays)
    flat = jaxpr_as_fun(program)
    if any(isinstance(value, jax.core.Tracer) for value in program.consts):
        # A field that closes over values of a transformation: none of the above reaches those.
        return jtu.tree_unflatten(jtu.tree_structure(like), flat(*jtu.tree_leaves(arrays)))

    @jax.custom_batching.custom_vmap
    def mapped(arrays):
        return jtu.tree_unflatten(jtu.tree_structure(like), flat(*jtu.tree_leaves(arrays)))

    @mapped.def_vmap
    def batch(size, batched, arrays):
        (batched,) = batched
        problem, shared, rest = eqx.combine(arrays, static)
        if _worthwhile(problem, asked, batched, size):
            wide, wide_asked = _abreast(problem, asked, batched[0], size)
            rest = _widen(rest, _flags(rest, batched[2]), size)
            gradient, found = in_lanes(loop, wide, wide_asked, shared, rest)
            if gradient is not None:
                scheme, field, _, y0 = gradient
                gradient = scheme, field.own, eqx.filter(problem[2], asked[2]), y0
            found = jtu.tree_map(lambda leaf: jnp.moveaxis(leaf, -1, 0), (gradient, found))
        else:
            axes = jtu.tree_map(lambda b: 0 if b else None, batched)
            found = jax.vmap(run, in_axes=(axes,), axis_size=size)(arrays)
        return found, jtu.tree_map(lambda _: True, found)

    return mapped(arrays)


def _worthwhile(problem, asked, batched, size) -> bool:
    scheme, field, driver, y0 = batched[0]
    if not problem[0].entrywise or any(jtu.tree_leaves((scheme, batched[1]))):
        return False
    if not _one_clock(problem[2], driver, size):
        return False
    if asked is not None and any(jtu.tree_leaves((asked[0], asked[2]))):
        return False
    # What is differentiated has a copy for each path, because each has a gradient.
    copied = [] if asked is None else jtu.tree_leaves(eqx.filter(problem[1], asked[1]))
    return max(_entries(problem[3], y0), sum(leaf.size for leaf in copied) / 2) <= _SMALL


def _one_clock(driver, batched, size) -> bool:
    """Whether times and steps are those of all paths; a driver may compute them."""
    arrays, rest = eqx.partition(driver, eqx.is_array)

    def clock(arrays):
        driver = eqx.combine(arrays, rest)
        return driver.t0, driver.t1, jnp.asarray(driver.steps)

    axes = jtu.tree_map(lambda b: 0 if b else None, batched)
    mapped = jax.vmap(clock, in_axes=(axes,), out_axes=None, axis_size=size)
    try:
        jax.eval_shape(mapped, arrays)
    except ValueError:
        return False
    return True


def _entries(tree, batched):
    """The entries of one path's share."""
    flags = _flags(tree, batched)
    return sum(
        leaf.size // leaf.shape[0] if flag else leaf.size
        for leaf, flag in zip(jtu.tree_leaves(tree), flags)
    )


def _abreast(problem, asked, batched, size):
    """The problem with its paths along the last axis, and what is asked of that."""
    scheme, field, driver, y0 = problem
    field_batched, driver_batched, y0_batched = map(_flags, problem[1:], batched[1:])
    own = field_batched
    if asked is not None:
        own = [b or a for b, a in zip(own, jtu.tree_leaves(asked[1]))]
    wide_field = fields.Abreast(*_split(_widen(field, field_batched, size, own), own))
    wide_driver = drivers.Abreast(
        *_split(_widen(driver, driver_batched, size, driver_batched), driver_batched),
        driver.t0,
        driver.t1,
        driver.steps,
        size,
    )
    if asked is not None:
        asked_field = fields.Abreast(*_split(asked[1], own))
        asked = asked[0], asked_field, jtu.tree_map(lambda _: False, wide_driver), asked[3]
    return (scheme, wide_field, wide_driver, _widen(y0, y0_batched, size)), asked


def _flags(tree, batched) -> list[bool]:
    """For each leaf of a tree, whether it is batched; `batched` knows of the arrays alone."""
    arrays = iter(jtu.tree_leaves(batched))
    return [eqx.is_array(leaf) and next(arrays) for leaf in jtu.tree_leaves(tree)]


def _widen(tree, batched, size, own=None):
    """The tree, whose batch goes last; leaves that are own and have none are repeated."""
    leaves, structure = jtu.tree_flatten(tree)

    def widen(leaf, batched, own):
        if batched:
            return jnp.moveaxis(leaf, 0, -1)
        return jnp.broadcast_to(leaf[..., None], (*leaf.shape, size)) if own else leaf

    own = [True] * len(leaves) if own is None else own
    return jtu.tree_unflatten(structure, map(widen, leaves, batched, own))


def _split(tree, own):
    """The leaves that are own, and the others, each in place of the tree."""
    leaves, structure = jtu.tree_flatten(tree)
    pairs = [(leaf, None) if is_own else (None, leaf) for leaf, is_own in zip(leaves, own)]
    return [jtu.tree_unflatten(structure, part) for part in zip(*pairs)] if pairs else [tree, tree]
