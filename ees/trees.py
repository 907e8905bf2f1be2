"""Rooted trees, and the orders of a Runge-Kutta tableau computed from them.

A Runge-Kutta step is a B-series: one elementary weight per rooted tree. Its order is the
largest $n$ whose trees all carry the weight $1/\\gamma(\\tau)$ of the exact flow. Its
*antisymmetric* order is the largest $m$ with $\\Phi_{-h} \\circ \\Phi_h = \\mathrm{id} +
O(h^{m+1})$: a step forwards and a step backwards is itself one Runge-Kutta step with twice
as many stages, and that step must carry the weight 0 on every tree of at most $m$ nodes.

A tree is the sorted tuple of its root's children, so the single node is `()`.
"""

import math
from functools import cache

import numpy as np


Tree = tuple

# In units of the sum of the absolute terms: a few hundred roundings of float64.
_TOLERANCE = 1e-13


@cache
def trees(nodes: int) -> tuple[Tree, ...]:
    """All rooted trees with that many nodes.

    **Arguments:** `nodes`: at least 1.

    **Returns:** a tuple of trees, each the sorted tuple of its root's subtrees. Their numbers
    are 1, 1, 2, 4, 9, 20, 48, 115, ... (OEIS A000081).

    **Raises:** `ValueError` if `nodes` is less than 1.
    """
    if nodes < 1:
        raise ValueError(f"nodes={nodes}: a rooted tree has at least 1 node.")
    return tuple(sorted(_forests(nodes - 1, nodes - 1)))


@cache
def _forests(nodes: int, largest: int) -> tuple[Tree, ...]:
    """Sorted tuples of trees with `nodes` nodes in all, none larger than `largest`."""
    if nodes == 0:
        return ((),)
    found = set()
    for size in range(1, min(nodes, largest) + 1):
        for tree in trees(size):
            for rest in _forests(nodes - size, size):
                found.add(tuple(sorted((tree, *rest))))
    return tuple(found)


def size(tree: Tree) -> int:
    """The number of nodes of a tree, written $|\\tau|$."""
    return 1 + sum(size(child) for child in tree)


def density(tree: Tree) -> int:
    """The density $\\gamma(\\tau)$: the exact flow carries the weight $1/\\gamma(\\tau)$."""
    return size(tree) * math.prod(density(child) for child in tree)


def weight(a: np.ndarray, b: np.ndarray, tree: Tree) -> float:
    """The elementary weight of a tree under a tableau.

    **Arguments:** `a`: `(stages, stages)`; `b`: `(stages,)`; `tree`: a rooted tree.

    **Returns:** $\\varphi(\\tau) = \\sum_i b_i \\prod_k \\big(A\\,\\varphi(\\tau_k)\\big)_i$ over
    the root's subtrees, dimensionless.
    """
    return float(b @ _stage_weights(a, tree, {}))


def _stage_weights(a: np.ndarray, tree: Tree, known: dict[Tree, np.ndarray]) -> np.ndarray:
    if tree not in known:
        product = np.ones(len(a))
        for child in tree:
            product = product * (a @ _stage_weights(a, child, known))
        known[tree] = product
    return known[tree]


def order(method, highest: int = 9) -> int:
    """The order of a Runge-Kutta method, from the order conditions of every rooted tree.

    **Arguments:**

    - `method`: a tableau, or a scheme that has one: anything with `a` and `b`, or with
      `tableau`.
    - `highest`: trees of more nodes than this are not looked at.

    **Returns:** the largest order at most `highest` whose conditions all hold, 0 if none does.

    **Raises:** `ValueError` if the method has no tableau.

    **Reference:** Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.2.
    """
    a, b = _coefficients(method)
    return _agreement(a, b, lambda tree: 1 / density(tree), highest)


def antisymmetric_order(method, highest: int = 9) -> int | float:
    """The antisymmetric order: how exactly a step backwards undoes a step forwards.

    **Arguments:** as for `order`.

    **Returns:** the largest $m$ with $\\Phi_{-h}(\\Phi_h(y)) = y + O(h^{m+1})$; `math.inf` if
    every tree of at most `highest` nodes agrees, which is how a symmetric method shows.

    **Raises:** `ValueError` if the method has no tableau.

    **Reference:** arXiv 2507.21006 and 2509.20599, the definition of EES(n, m).
    """
    a, b = _coefficients(method)
    stages = len(b)
    there_and_back = np.zeros((2 * stages, 2 * stages))
    there_and_back[:stages, :stages] = a
    there_and_back[stages:, :stages] = b
    there_and_back[stages:, stages:] = -a
    agreed = _agreement(there_and_back, np.concatenate([b, -b]), lambda tree: 0.0, highest)
    return math.inf if agreed == highest else agreed


def _agreement(a, b, wanted, highest: int) -> int:
    known: dict[Tree, np.ndarray] = {}
    sizes: dict[Tree, np.ndarray] = {}
    for nodes in range(1, highest + 1):
        for tree in trees(nodes):
            error = abs(float(b @ _stage_weights(a, tree, known)) - wanted(tree))
            # The same sum with every term positive bounds what round-off can leave of it.
            terms = float(np.abs(b) @ _stage_weights(np.abs(a), tree, sizes))
            if not error <= _TOLERANCE * max(1.0, terms):
                return nodes - 1
    return highest


def _coefficients(method) -> tuple[np.ndarray, np.ndarray]:
    tableau = getattr(method, "tableau", method)
    if not (hasattr(tableau, "a") and hasattr(tableau, "b")):
        name = getattr(method, "name", repr(method))
        raise ValueError(
            f"method={name}: it has no Runge-Kutta tableau, and orders are computed from one. "
            "Schemes that are reversible by algebra (Reversible Heun) have none."
        )
    return np.asarray(tableau.a, float), np.asarray(tableau.b, float)
