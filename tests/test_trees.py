"""Orders computed from rooted trees, against the literature and against kauri."""

import math

import kauri
import numpy as np
import pytest

import ees
from ees import tableau, trees


X25 = (0.1, 0.25, 0.0, -0.3, 0.45, 0.7, 2.0)
X27 = (None, 0.146, 0.2, -0.4, 0.8, 1.5)


def _kauri(table):
    return kauri.RK(table.a.tolist(), table.b.tolist())


def test_rooted_trees_are_as_many_as_oeis_a000081_says():
    assert [len(trees.trees(n)) for n in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


def test_no_tree_is_listed_twice_and_each_has_its_number_of_nodes():
    for nodes in range(1, 9):
        found = trees.trees(nodes)
        assert len(set(found)) == len(found)
        assert all(trees.size(tree) == nodes for tree in found)


def test_densities_of_the_trees_up_to_four_nodes():
    # Hairer, Norsett, Wanner, Table II.2.1.
    assert sorted(trees.density(t) for n in range(1, 5) for t in trees.trees(n)) == sorted(
        [1, 2, 3, 6, 4, 8, 12, 24]
    )


def test_the_weight_of_a_tall_tree_and_of_a_bush_are_their_textbook_sums():
    table = ees.EES25(0.3).tableau
    a, b, c = table.a, table.b, table.c
    assert trees.weight(a, b, (((),),)) == pytest.approx(b @ a @ c, abs=1e-15)
    assert trees.weight(a, b, ((), ())) == pytest.approx(b @ c**2, abs=1e-15)
    assert trees.weight(a, b, ((), ((),))) == pytest.approx(b @ (c * (a @ c)), abs=1e-15)


@pytest.mark.parametrize("nodes", [0, -3])
def test_fewer_than_one_node_is_refused(nodes):
    with pytest.raises(ValueError, match=rf"nodes={nodes}.*at least 1"):
        trees.trees(nodes)


@pytest.mark.parametrize(
    "name, order, antisymmetric",
    [
        ("Euler", 1, 1),
        ("Heun", 2, 3),
        ("Midpoint", 2, 3),
        ("Ralston", 2, 3),
        ("Kutta3", 3, 3),
        ("Heun3", 3, 3),
        ("RK4", 4, 5),
        ("Ralston4", 4, 5),
    ],
)
def test_orders_of_the_classical_methods(name, order, antisymmetric):
    scheme = ees.SCHEMES[name]()
    assert ees.order(scheme) == order
    assert ees.antisymmetric_order(scheme) == antisymmetric


@pytest.mark.parametrize("x", X25)
def test_ees25_has_order_2_and_antisymmetric_order_5(x):
    assert (ees.order(ees.EES25(x)), ees.antisymmetric_order(ees.EES25(x))) == (2, 5)


@pytest.mark.parametrize("branch", [1, -1])
@pytest.mark.parametrize("x", X27)
def test_ees27_has_order_2_and_antisymmetric_order_7(x, branch):
    scheme = ees.EES27(x, branch)
    assert (ees.order(scheme), ees.antisymmetric_order(scheme)) == (2, 7)


RUNGE_KUTTA = [n for n, make in ees.SCHEMES.items() if isinstance(make(), ees.RungeKutta)]


@pytest.mark.parametrize("name", RUNGE_KUTTA)
def test_orders_agree_with_kauri(name):
    table = ees.SCHEMES[name]().tableau
    assert ees.order(table) == _kauri(table).order()
    assert ees.antisymmetric_order(table) == _kauri(table).antisymmetric_order()


@pytest.mark.parametrize("x", X25)
def test_ees25_is_the_tableau_of_kauri(x):
    theirs = kauri.EES25(x)
    np.testing.assert_allclose(tableau.ees25(x).a, theirs.a, rtol=0, atol=1e-13)
    np.testing.assert_allclose(tableau.ees25(x).b, theirs.b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("branch", [1, -1])
@pytest.mark.parametrize("x", X27[1:])
def test_ees27_is_the_tableau_of_kauri(x, branch):
    ours, theirs = tableau.ees27(x, branch), kauri.EES27(x, plus=branch > 0)
    scale = np.abs(ours.a).max()
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(ours.b, theirs.b, rtol=0, atol=1e-13)


def test_a_wrong_coefficient_loses_the_order():
    a = tableau.ees25().a.copy()
    a[2, 1] += 1e-6
    assert ees.antisymmetric_order(tableau.Tableau(a, tableau.ees25().b)) < 5


def test_a_method_that_is_symmetric_has_infinite_antisymmetric_order():
    # The implicit midpoint rule; only explicit tableaux run, but any can be asked.
    class ImplicitMidpoint:
        a, b = np.array([[0.5]]), np.array([1.0])

    assert ees.antisymmetric_order(ImplicitMidpoint()) == math.inf
    assert ees.order(ImplicitMidpoint()) == 2


def test_orders_above_the_highest_asked_for_are_not_looked_at():
    assert ees.order(ees.RK4(), highest=3) == 3


@pytest.mark.parametrize("question", [ees.order, ees.antisymmetric_order])
def test_a_scheme_without_a_tableau_is_refused_by_name(question):
    with pytest.raises(ValueError, match="method=Reversible Heun: it has no Runge-Kutta tableau"):
        question(ees.ReversibleHeun())
