"""Linear algebra on pytrees of arrays, in the precision of the state."""

import jax, jax.numpy as jnp, jax.tree_util as jtu


def scale(number, tree):
    """`number * tree`, leaf by leaf, without promoting a float32 tree to float64."""
    return jtu.tree_map(lambda leaf: _like(number, leaf) * leaf, tree)


def add(*trees):
    """The sum of trees of one structure."""
    return jtu.tree_map(lambda *leaves: sum(leaves[1:], leaves[0]), *trees)


def subtract(left, right):
    """`left - right`, leaf by leaf."""
    return jtu.tree_map(lambda a, b: a - b, left, right)


def add_scaled(tree, number, direction):
    """`tree + number * direction`, leaf by leaf, in the precision of `direction`."""
    return jtu.tree_map(lambda a, b: a + _like(number, b) * b, tree, direction)


def select(condition, yes, no):
    """`jnp.where` on trees of one structure; `condition` is a scalar."""
    return jtu.tree_map(lambda a, b: jnp.where(condition, a, b), yes, no)


def all_finite(tree):
    """Whether every entry of every leaf is finite: a boolean scalar."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jtu.tree_leaves(tree)]).all()


def distance(left, right):
    """The Euclidean norm of the difference of two trees: a real scalar."""
    squares = [jnp.sum(jnp.abs(a - b) ** 2) for a, b in zip(*map(jtu.tree_leaves, (left, right)))]
    return jnp.sqrt(sum(squares))


def inner(left, right):
    """The Euclidean inner product of two trees of real arrays: a scalar."""
    return sum(jnp.vdot(a, b) for a, b in zip(*map(jtu.tree_leaves, (left, right))))


def as_arrays(tree):
    """Every leaf as a floating-point JAX array, integers and Python numbers included."""

    def convert(leaf):
        leaf = jnp.asarray(leaf)
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            # Python numbers are weakly typed; a loop's carry must keep one type throughout.
            return jax.lax.convert_element_type(leaf, leaf.dtype)
        return leaf.astype(jnp.result_type(float))

    return jtu.tree_map(convert, tree)


def _like(number, leaf):
    return jnp.asarray(number).astype(jnp.finfo(leaf.dtype).dtype)
