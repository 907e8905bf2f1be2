"""Effectively symmetric Runge-Kutta schemes for ODEs and Stratonovich SDEs, in JAX.

One idea: a scheme turns an increment $dX = (dt, dW)$ into a step, and the same scheme with
$-dX$ is the step back. `solve` runs it, `reverse` runs it back, an adjoint differentiates it,
and the diagnostics ask how well all of that works.
"""

from ees.adjoints import (
    AbstractAdjoint,
    Continuous,
    FullBackprop,
    RecursiveCheckpoint,
    Reversible,
    StoredStates,
    value_gradient_and_defect,
)
from ees.diagnostics import (
    GradientDiscrepancy,
    Reconstruction,
    gradient_discrepancy,
    reconstruction,
)
from ees.drivers import AbstractDriver, Brownian, BrownianPath, Clock, Increment
from ees.experiment import Experiment, run, stream
from ees.fields import ODE, SDE, AbstractField, Additive, Diagonal
from ees.models import MODELS, Model
from ees.schemes import (
    EES25,
    EES27,
    RK4,
    SCHEMES,
    AbstractScheme,
    Euler,
    Heun,
    Midpoint,
    ReversibleHeun,
    RungeKutta,
)
from ees.solve import Solution, reverse, solve
from ees.tableau import LowStorage, Tableau, low_storage
from ees.trees import antisymmetric_order, order


__all__ = [
    "AbstractAdjoint",
    "AbstractDriver",
    "AbstractField",
    "AbstractScheme",
    "Additive",
    "Brownian",
    "BrownianPath",
    "Clock",
    "Continuous",
    "Diagonal",
    "EES25",
    "EES27",
    "Euler",
    "Experiment",
    "FullBackprop",
    "GradientDiscrepancy",
    "Heun",
    "Increment",
    "LowStorage",
    "MODELS",
    "Midpoint",
    "Model",
    "ODE",
    "RK4",
    "Reconstruction",
    "RecursiveCheckpoint",
    "Reversible",
    "ReversibleHeun",
    "RungeKutta",
    "SCHEMES",
    "SDE",
    "Solution",
    "StoredStates",
    "Tableau",
    "antisymmetric_order",
    "gradient_discrepancy",
    "low_storage",
    "order",
    "reconstruction",
    "reverse",
    "run",
    "solve",
    "stream",
    "value_gradient_and_defect",
]
