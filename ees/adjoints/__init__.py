"""How a solve is differentiated, and what it has to remember for that.

Two answers, and no adjoint knows the scheme, no scheme the adjoint:

- the gradient of the discrete solution (discretise-then-optimise): `FullBackprop` reads it off a
  tape; the others linearise the scheme's own step at the state where that step began, and
  differ in where that state comes from: a buffer of all states (`StoredStates`), a buffer of
  some of them (`RecursiveCheckpoint`), or the scheme's step back (`Reversible`); `Auto` picks;
- a discretisation of the gradient (optimise-then-discretise): `Continuous`.
"""

from ees.adjoints.base import NEVER, AbstractAdjoint, Marks
from ees.adjoints.continuous import Continuous
from ees.adjoints.stored import FullBackprop, RecursiveCheckpoint, StoredStates
from ees.adjoints.reversible import Reversible
from ees.adjoints.auto import Auto
from ees.adjoints.defect import value_gradient_and_defect


__all__ = [
    "AbstractAdjoint",
    "Auto",
    "Continuous",
    "FullBackprop",
    "Marks",
    "NEVER",
    "RecursiveCheckpoint",
    "Reversible",
    "StoredStates",
    "value_gradient_and_defect",
]
