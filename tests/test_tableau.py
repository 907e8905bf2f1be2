"""Tableaux and their 2N form, against closed forms of arXiv 2509.20599 and 2507.21006."""

import numpy as np
import pytest

import ees
from ees.tableau import EULER, HEUN, MIDPOINT, RK4, Tableau, ees25, ees27, low_storage


R = np.sqrt(2.0)
X25 = (0.1, 0.25, 0.0, -0.3, 0.45, 0.7, 2.0, -5.0)
X27 = (None, (2 - R) / 4, 0.146, 0.2, -0.4, 0.8, 1.5)


def _polynomial(table):
    """The stability polynomial's coefficients: $R(z) = 1 + \\sum_k z^k b A^{k-1} 1$."""
    power, found = np.ones(table.stages), [1.0]
    for _ in range(table.stages):
        found.append(table.b @ power)
        power = table.a @ power
    return np.array(found)


@pytest.mark.parametrize(
    "x, a21, a31, a32, b, c",
    [
        (1 / 10, 1 / 3, -5 / 48, 15 / 16, (1 / 10, 1 / 2, 2 / 5), (0, 1 / 3, 5 / 6)),
        (1 / 4, 1 / 2, 0, 1, (1 / 4, 1 / 2, 1 / 4), (0, 1 / 2, 1)),
        (0, 1 / 4, -1 / 4, 1, (0, 1 / 2, 1 / 2), (0, 1 / 4, 3 / 4)),
    ],
)
def test_ees25_has_the_published_coefficients(x, a21, a31, a32, b, c):
    table = ees25(x)
    np.testing.assert_allclose(table.a, [[0, 0, 0], [a21, 0, 0], [a31, a32, 0]], atol=1e-15)
    np.testing.assert_allclose(table.b, b, atol=1e-15)
    np.testing.assert_allclose(table.c, c, atol=1e-15)


def test_the_default_ees25_is_x_one_tenth():
    np.testing.assert_array_equal(ees.EES25().tableau.a, ees25(1 / 10).a)
    np.testing.assert_array_equal(ees.EES25().tableau.b, ees25(1 / 10).b)


def test_the_default_ees27_has_the_published_closed_form():
    table = ees27()
    a = [
        [0, 0, 0, 0],
        [(2 - R) / 3, 0, 0, 0],
        [(-4 + R) / 24, (4 + R) / 8, 0, 0],
        [(-176 + 145 * R) / 168, 3 * (8 - 5 * R) / 56, 3 * (3 - R) / 7, 0],
    ]
    b = [(5 - 3 * R) / 14, (3 + R) / 14, 3 * (-1 + 2 * R) / 14, (9 - 4 * R) / 14]
    np.testing.assert_allclose(table.a, a, rtol=0, atol=1e-14)
    np.testing.assert_allclose(table.b, b, rtol=0, atol=1e-14)
    np.testing.assert_allclose(table.c, [0, (2 - R) / 3, (2 + R) / 6, (4 + R) / 6], atol=1e-14)


def test_the_simple_ees27_has_the_published_closed_form():
    table = ees27((2 - R) / 4)
    a = [[0, 0, 0, 0], [(2 - R) / 2, 0, 0, 0], [0, R / 2, 0, 0], [(2 - R) / 2, 0, R / 2, 0]]
    np.testing.assert_allclose(table.a, a, rtol=0, atol=1e-14)
    np.testing.assert_allclose(table.b, [(2 - R) / 4, R / 4, R / 4, (2 - R) / 4], atol=1e-14)


@pytest.mark.parametrize("table", [ees25(), ees27(), ees27(None, -1)], ids=["25", "27+", "27-"])
def test_the_default_member_satisfies_one_condition_of_order_3_and_not_the_other(table):
    assert table.b @ table.c**2 == pytest.approx(1 / 3, abs=1e-12)
    assert abs(table.b @ table.a @ table.c - 1 / 6) > 0.01


@pytest.mark.parametrize("x", X25)
def test_the_stability_polynomial_of_ees25_does_not_depend_on_x(x):
    np.testing.assert_allclose(_polynomial(ees25(x)), [1, 1, 1 / 2, 1 / 8], rtol=0, atol=1e-13)


@pytest.mark.parametrize("branch", [1, -1])
@pytest.mark.parametrize("x", X27)
def test_the_stability_polynomial_of_ees27_depends_on_the_branch_alone(x, branch):
    s = branch * R
    wanted = [1, 1, 1 / 2, (2 - s) / 4, (3 - 2 * s) / 8]
    np.testing.assert_allclose(_polynomial(ees27(x, branch)), wanted, rtol=0, atol=1e-12)


def test_a_step_there_and_back_of_ees25_multiplies_by_one_minus_z6_over_64():
    forwards = np.polynomial.Polynomial(_polynomial(ees25(0.3)))
    backwards = np.polynomial.Polynomial(_polynomial(ees25(0.3)) * (-1.0) ** np.arange(4))
    wanted = [1, 0, 0, 0, 0, 0, -1 / 64]
    np.testing.assert_allclose((forwards * backwards).coef, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("branch", [1, -1])
def test_a_step_there_and_back_of_ees27_multiplies_by_one_plus_d2_z8(branch):
    d = (3 - 2 * branch * R) / 8
    coefficients = _polynomial(ees27(0.2, branch))
    product = np.convolve(coefficients, coefficients * (-1.0) ** np.arange(5))
    np.testing.assert_allclose(product, [1, 0, 0, 0, 0, 0, 0, 0, d**2], rtol=0, atol=1e-13)


@pytest.mark.parametrize("x", X25)
def test_the_2n_form_of_ees25_has_the_published_coefficients(x):
    form = low_storage(ees25(x))
    square = 4 * x**2 - 2 * x + 1
    a = [0, square / (2 * (x - 1)), -square / ((2 * x - 1) ** 2 * (2 * x + 1))]
    b = [(2 * x + 1) / (4 * (1 - x)), (1 - x) / (1 - 4 * x**2), (1 - 2 * x) / 2]
    np.testing.assert_allclose(form.a, a, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(form.b, b, rtol=1e-12, atol=1e-14)


def test_the_2n_form_of_ees25_at_one_tenth_is_in_these_fractions():
    form = low_storage(ees25())
    np.testing.assert_allclose(form.a, [0, -7 / 15, -35 / 32], rtol=1e-13)
    np.testing.assert_allclose(form.b, [1 / 3, 15 / 16, 2 / 5], rtol=1e-13)
    np.testing.assert_allclose(form.c, [0, 1 / 3, 5 / 6], rtol=1e-13)


def test_the_2n_form_of_the_default_ees27_has_the_published_coefficients():
    form = low_storage(ees27())
    a = [0, (-7 + 4 * R) / 3, -(4 + 5 * R) / 12, 3 * (-31 + 8 * R) / 49]
    b = [(2 - R) / 3, (4 + R) / 8, 3 * (3 - R) / 7, (9 - 4 * R) / 14]
    np.testing.assert_allclose(form.a, a, rtol=1e-12)
    np.testing.assert_allclose(form.b, b, rtol=1e-12)


@pytest.mark.parametrize(
    "table",
    [ees25(x) for x in X25] + [ees27(x, s) for x in X27 for s in (1, -1)] + [EULER, HEUN],
)
def test_the_2n_form_unwinds_to_every_coefficient_of_the_tableau(table):
    form = low_storage(table)
    # Williamson's recurrence on unit vectors, stage by stage, in plain Python.
    stages = table.stages
    delta, position, rows = np.zeros(stages), np.zeros(stages), []
    for stage in range(stages):
        rows.append(position)
        delta = form.a[stage] * delta + np.eye(stages)[stage]
        position = position + form.b[stage] * delta
    scale = max(1.0, np.abs(table.a).max())
    np.testing.assert_allclose(np.array(rows), table.a, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(position, table.b, rtol=0, atol=1e-12 * scale)
    np.testing.assert_array_equal(form.c, table.c)


@pytest.mark.parametrize("table", [RK4, MIDPOINT], ids=["RK4", "midpoint"])
def test_a_form_that_does_not_unwind_to_the_tableau_is_not_offered(table):
    form = low_storage(table)
    if form is not None:
        test_the_2n_form_unwinds_to_every_coefficient_of_the_tableau(table)
    assert (form is None) == (table is RK4)


@pytest.mark.parametrize(
    "x, denominator", [(1, "1 - x"), (0.5, "1 - 2x"), (-0.5, r"1 \+ 2x"), (0.5 + 1e-12, "1 - 2x")]
)
def test_ees25_refuses_singular_x_and_names_the_denominator(x, denominator):
    with pytest.raises(
        ValueError, match=rf"^x={float(x)!r}: .* by {denominator}, .* 1, 1/2 and -1"
    ):
        ees.EES25(x)


@pytest.mark.parametrize("branch", [1, -1])
@pytest.mark.parametrize(
    "x, denominator",
    [
        (1, "x - 1"),
        (0.5, "1 - 2x"),
        (np.sqrt(0.5), "2x^2 - 1"),
        (-np.sqrt(0.5), "2x^2 - 1"),
        (1 + np.sqrt(0.5), "2x^2 - 4x + 1"),
        (1 - np.sqrt(0.5), "2x^2 - 4x + 1"),
        ((1 + R) / 2, "4x^2 - 4x - 1"),
        ((1 - R) / 2, "4x^2 - 4x - 1"),
    ],
)
def test_ees27_refuses_singular_x_and_names_the_denominator(x, denominator, branch):
    with pytest.raises(ValueError) as caught:
        ees.EES27(x, branch)
    assert str(caught.value).startswith(f"x={float(x)!r}: ".replace("np.float64(", ""))
    assert f"divide by {denominator}," in str(caught.value)
    assert "Allowed is every real x but" in str(caught.value)


@pytest.mark.parametrize("x", [float("nan"), float("inf"), -float("inf"), 1e200, 10**400])
@pytest.mark.parametrize("family", [ees25, ees27])
def test_an_x_that_is_not_a_usable_number_is_refused(family, x):
    with pytest.raises(ValueError, match="^x=.*it must be a finite real number"):
        family(x)


@pytest.mark.parametrize("branch", [0, 2, "+", None])
def test_a_branch_other_than_plus_or_minus_one_is_refused(branch):
    with pytest.raises(ValueError, match=r"branch=.*\+1 and -1"):
        ees27(0.2, branch)


@pytest.mark.parametrize(
    "a, b, c, message",
    [
        ([[0]], [], None, r"b has shape \(0,\)"),
        ([[0]], [[1]], None, r"b has shape \(1, 1\)"),
        ([[0, 0]], [0.5, 0.5], None, r"a has shape \(1, 2\).*must be \(2, 2\)"),
        ([[0, 0], [np.nan, 0]], [0.5, 0.5], None, "must be finite"),
        ([[0, 0], [1, 1]], [0.5, 0.5], None, "strictly lower triangular"),
        ([[0, 0], [1, 0]], [0.5, 0.4], None, "sums to 0.9"),
        ([[0, 0], [1, 0]], [0.5, 0.5], [0, 0.5], r"c=\[0.0, 0.5\].*row sums of a, \[0.0, 1.0\]"),
        ([[0, 0], [1, 0]], [0.5, 0.5], [0], "row sums"),
    ],
)
def test_an_inconsistent_tableau_is_refused_with_what_was_given(a, b, c, message):
    with pytest.raises(ValueError, match=message):
        Tableau(a, b, c)


def test_coefficients_are_float64_leaves_of_numpy():
    for table in (ees25(), ees27(), RK4):
        assert all(type(v) is np.ndarray and v.dtype == float for v in (table.a, table.b, table.c))
