"""Runge-Kutta tableaux: the EES families, the classical methods, and their 2N form.

Coefficients are NumPy float64 arrays: one compiled program serves every member of a family,
and importing this module starts no JAX backend.
"""

import equinox as eqx
import numpy as np


_SINGULAR = 1e-9
# Fourth powers of a parameter stay within float64.
_LARGEST = 1e50


class Tableau(eqx.Module):
    """The coefficients of an explicit Runge-Kutta method.

    - `a`: `(stages, stages)`, strictly lower triangular.
    - `b`: `(stages,)`, the weights of the stages, summing to 1.
    - `c`: `(stages,)`, the nodes: stage `i` is evaluated at time `t + c[i] * dt`.

    Raises `ValueError` for shapes that do not fit, an implicit `a`, `b` that does not sum to 1
    or `c` that is not the row sums of `a` (an SDE has no other consistent choice).
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def __init__(self, a, b, c=None):
        a, b = np.asarray(a, float), np.asarray(b, float)
        if b.ndim != 1 or len(b) == 0:
            raise ValueError(f"b has shape {b.shape}: it must be one row of weights.")
        if a.shape != (len(b), len(b)):
            raise ValueError(
                f"a has shape {a.shape}: with {len(b)} weights in b it must be "
                f"({len(b)}, {len(b)})."
            )
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError(f"a={a.tolist()}, b={b.tolist()}: coefficients must be finite.")
        if np.triu(a).any():
            raise ValueError(
                f"a={a.tolist()}: only explicit tableaux are allowed, so a must be strictly "
                "lower triangular."
            )
        if abs(b.sum() - 1) > 1e-10 * max(1.0, np.abs(b).sum()):
            raise ValueError(f"b={b.tolist()} sums to {b.sum()}: a consistent method sums to 1.")
        rows = a.sum(axis=1)
        c = rows if c is None else np.asarray(c, float)
        if c.shape != b.shape or not np.allclose(c, rows, rtol=1e-10, atol=1e-12):
            raise ValueError(f"c={c.tolist()}: it must be the row sums of a, {rows.tolist()}.")
        self.a, self.b, self.c = a, b, c

    @property
    def stages(self) -> int:
        """The number of stages, which is the number of field evaluations a step."""
        return len(self.b)


class Moves(eqx.Module):
    """A tableau whose stages are the ones before, moved on: a Shu-Osher form.

    $Y_l = Y_{l-1} + \\sum_{j<l} \\gamma_{lj} (Y_j - Y_{j-1}) + \\beta_l f(Y_{l-1}) \\cdot dX$ with
    $Y_0 = y_n, Y_s = y_{n+1}$; stage $l$ is evaluated at $t + c_l\\,dt$. No slope outlives its
    stage. Where the last move alone counts, two states are kept: that is the 2N form.

    - `earlier`: for each stage the weights $\\gamma$ of as many of the last moves as count.
    - `own`: `(stages,)`, $\\beta$; `c`: `(stages,)`. All dimensionless.

    **Reference:** Shu and Osher (1988), who combine the states themselves. Combined by their
    differences, a state at rest stays at rest in any precision.
    """

    earlier: tuple[np.ndarray, ...]
    own: np.ndarray
    c: np.ndarray

    @property
    def round_off(self) -> float:
        """How many rounding errors of a state add up in a step; `stages` where slopes are added."""
        # What each stage's error is worth at the end, from the last stage to the first.
        worth = np.ones(len(self.own))
        for stage in range(len(self.own) - 1, 0, -1):
            weights = self.earlier[stage]
            worth[stage - len(weights) : stage] += worth[stage] * weights
        return float(np.abs(worth).sum())


def moves(tableau: Tableau) -> Moves | None:
    """A tableau as moves; `None` if a stage does not use the evaluation just before it."""
    rows = np.vstack([tableau.a[1:], tableau.b])  # row l: the weights of the stages in Y_{l+1}
    own = np.diagonal(rows).copy()
    if (np.abs(own) < _SINGULAR * np.abs(rows).max()).any():
        return None
    weights = np.diff(rows, axis=0, prepend=0)
    earlier = np.linalg.solve(weights.T, np.tril(weights, -1).T).T
    earlier[np.abs(earlier) < 1e-12 * max(1.0, np.abs(earlier).max())] = 0
    kept = []
    for stage, row in enumerate(earlier):
        # One at least: a member of a family in which it is zero is the same program.
        first = min([stage - 1, *np.flatnonzero(row[:stage])])
        kept.append(row[max(0, first) : stage])
    return Moves(tuple(kept), own, tableau.c)


class LowStorage(eqx.Module):
    """The Williamson 2N form of a tableau: two registers, whatever the number of stages.

    $\\Delta_l = A_l \\Delta_{l-1} + f(Y_{l-1}) \\cdot dX,\\; Y_l = Y_{l-1} + B_l \\Delta_l$ with
    $\\Delta_0 = 0, Y_0 = y_n, Y_s = y_{n+1}$; stage $l$ is evaluated at $t + c_l\\,dt$.

    - `a`, `b`, `c`: `(stages,)`, dimensionless; `a[0]` is 0.

    **Reference:** Williamson (1980); for the EES families, arXiv 2509.20599v2, Proposition 3.1.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray


def low_storage(tableau: Tableau) -> LowStorage | None:
    """The 2N form of a tableau, or `None` if it has none.

    **Arguments:** `tableau`: any explicit tableau.

    **Returns:** a `LowStorage` whose stages equal the tableau's to round-off, or `None`. It is
    the form as moves where only the last one counts, $\\gamma_l B_{l-1} = A_l B_l$.
    """
    form = moves(tableau)
    if form is None or any(len(weights) > 1 for weights in form.earlier):
        return None
    last = np.concatenate(form.earlier)
    return LowStorage(np.append(0.0, last * form.own[:-1] / form.own[1:]), form.own, form.c)


def ees25(x: float = 1 / 10) -> Tableau:
    """The family EES(2,5;x): order 2, antisymmetric order 5, three stages.

    **Arguments:** `x`: any real number but 1, 1/2 and -1/2. The default, 1/10, is where one of
    the two conditions of order 3 holds as well.

    **Returns:** a `Tableau`. Its stability function $1 + z + z^2/2 + z^3/8$ does not depend on
    `x`.

    **Raises:** `ValueError` for a singular or non-finite `x`.

    **Reference:** arXiv 2509.20599, the tableau of EES(2,5;x).
    """
    x = _real("x", x)
    _refuse(x, {"1 - x": 1 - x, "1 - 2x": 1 - 2 * x, "1 + 2x": 1 + 2 * x}, "1, 1/2 and -1/2")
    square = 1 - 4 * x**2
    return Tableau(
        [
            [0, 0, 0],
            [(1 + 2 * x) / (4 * (1 - x)), 0, 0],
            [(4 * x - 1) ** 2 / (4 * (x - 1) * square), (1 - x) / square, 0],
        ],
        [x, 1 / 2, 1 / 2 - x],
    )


def ees27(x: float | None = None, branch: int = +1) -> Tableau:
    """The family EES(2,7;x): order 2, antisymmetric order 7, four stages.

    **Arguments:**

    - `x`: any real number that is no root of a denominator: not 1/2, 1, $\\pm\\sqrt{1/2}$,
      $1 \\pm \\sqrt{1/2}$, $(1 \\pm \\sqrt 2)/2$. The default, $(5 \\mp 3\\sqrt 2)/14$ on the
      branch $\\pm$, is where one of the two conditions of order 3 holds as well.
    - `branch`: +1 or -1, the sign of $\\sqrt 2$. The branch -1 has a small stability domain and
      a reversal defect a thousand times larger.

    **Returns:** a `Tableau` with stability function
    $1 + z + z^2/2 + (2-s)z^3/4 + (3-2s)z^4/8$, $s = \\pm\\sqrt 2$.

    **Raises:** `ValueError` for a singular or non-finite `x`, or another branch.

    **Reference:** arXiv 2507.21006 and 2509.20599, the tableau of EES(2,7;x).
    """
    if branch not in (1, -1):
        raise ValueError(f"branch={branch!r}: EES(2,7;x) has two branches, +1 and -1.")
    s = branch * np.sqrt(2.0)
    x = (5 - 3 * s) / 14 if x is None else _real("x", x)
    _refuse(
        x,
        {
            "1 - 2x": 1 - 2 * x,
            "x - 1": x - 1,
            "2x^2 - 1": 2 * x**2 - 1,
            "2x^2 - 4x + 1": 2 * x**2 - 4 * x + 1,
            "4x^2 - 4x - 1": 4 * x**2 - 4 * x - 1,
        },
        "1/2, 1, the roots of 2x^2 - 1, of 2x^2 - 4x + 1 and of 4x^2 - 4x - 1",
    )
    alpha = (2 * x + s) / ((2 * x - 1) * (1 - s - 2 * x))
    beta = 1 / ((2 * x - 1) * (1 - s - 2 * x) * (2 - s - 2 * x))
    a21 = (-2 + s * (1 - 2 * x)) / (4 * (x - 1))
    a31 = (2 * x + s - 2) * (4 * x + s - 2) * alpha / (4 * s * (x - 1))
    a32 = (s - 1) * alpha / 2
    quartic = (
        -40 * x**4 + (80 - 40 * s) * x**3 - (88 - 60 * s) * x**2 + (48 - 34 * s) * x + 7 * s - 10
    )
    a41 = (2 * x - s) * quartic * beta / (4 * (x - 1) * (2 * x**2 - 1))
    a42 = (2 - s) * x * (x - 1) * (4 * x + s - 2) * beta
    a43 = (2 - s) * (2 * x - s) * (2 + s - 2 * x) * (x - 1) * (2 * x - 1)
    a43 = a43 / (4 * (2 * x**2 - 1) * (2 * x**2 - 4 * x + 1))
    b2 = (2 - s) / 2 - (1 - s) * x
    return Tableau(
        [[0, 0, 0, 0], [a21, 0, 0, 0], [a31, a32, 0, 0], [a41, a42, a43, 0]],
        [x, b2, (1 - s) * (x - 1), (2 - s) / 2 - x],
    )


def _real(name: str, value) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    if not abs(number) < _LARGEST:
        raise ValueError(
            f"{name}={value!r}: it must be a finite real number, of size below {_LARGEST:g}."
        )
    return number


def _refuse(x: float, denominators: dict[str, float], excluded: str) -> None:
    for formula, value in denominators.items():
        if abs(value) < _SINGULAR:
            raise ValueError(
                f"x={x!r}: the coefficients divide by {formula}, which is zero there. "
                f"Allowed is every real x but {excluded}."
            )


EULER = Tableau([[0]], [1])
HEUN = Tableau([[0, 0], [1, 0]], [1 / 2, 1 / 2])
MIDPOINT = Tableau([[0, 0], [1 / 2, 0]], [0, 1])
RALSTON = Tableau([[0, 0], [2 / 3, 0]], [1 / 4, 3 / 4])
KUTTA3 = Tableau([[0, 0, 0], [1 / 2, 0, 0], [-1, 2, 0]], [1 / 6, 2 / 3, 1 / 6])
HEUN3 = Tableau([[0, 0, 0], [1 / 3, 0, 0], [0, 2 / 3, 0]], [1 / 4, 0, 3 / 4])
RK4 = Tableau(
    [[0, 0, 0, 0], [1 / 2, 0, 0, 0], [0, 1 / 2, 0, 0], [0, 0, 1, 0]],
    [1 / 6, 1 / 3, 1 / 3, 1 / 6],
)
_R5 = np.sqrt(5.0)
RALSTON4 = Tableau(
    [
        [0, 0, 0, 0],
        [2 / 5, 0, 0, 0],
        [(-2889 + 1428 * _R5) / 1024, (3785 - 1620 * _R5) / 1024, 0, 0],
        [
            (-3365 + 2094 * _R5) / 6040,
            (-975 - 3046 * _R5) / 2552,
            (467040 + 203968 * _R5) / 240845,
            0,
        ],
    ],
    [
        (263 + 24 * _R5) / 1812,
        (125 - 1000 * _R5) / 3828,
        1024 * (3346 + 1623 * _R5) / 5924787,
        (30 - 4 * _R5) / 123,
    ],
)
