"""The reversible adjoint: the trajectory rebuilt backwards, and how far that can be trusted."""

import equinox as eqx

from ees.adjoints.stepwise import Stepwise


class Reversible(Stepwise):
    """Rebuilds the trajectory backwards with the scheme's own reverse step: O(1) memory.

    As exact as the reverse step: to round-off for algebraically reversible schemes; for a
    Runge-Kutta scheme the gradient's error is of the scheme's antisymmetric order in the step
    size. At large steps it fails without a sign: look at `ees.gradient_discrepancy`.

    **Reference:** arXiv 2509.20599, Algorithm 1.
    """

    bounded: bool = eqx.field(static=True, default=False)

    def spacing(self, capacity):
        return None

    def workspace(self, state, capacity, watched):
        return ()

    def recover(self, problem, kept, work, i, state, begun, dx):
        scheme, field, driver = problem
        return scheme.retreat(field, driver.time(i), state, begun, dx), work
