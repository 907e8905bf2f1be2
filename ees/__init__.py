"""Effectively symmetric Runge-Kutta schemes for ODEs and Stratonovich SDEs, in JAX.

One idea: a scheme turns an increment $dX = (dt, dW)$ into a step, and the same scheme with
$-dX$ is the step back. `solve` runs it, `reverse` runs it back, an adjoint differentiates it,
and the diagnostics ask how well all of that works.
"""

from ees.adjoints import (
    AbstractAdjoint,
    FullBackprop,
    RecursiveCheckpoint,
    Reversible,
    StoredStates,
)
from ees.diagnostics import (
    CROSS_SECTIONS,
    Convergence,
    CriticalStep,
    CrossSection,
    ErrorCurve,
    GradientDiscrepancy,
    Memory,
    Reconstruction,
    Spectrum,
    convergence,
    critical_step,
    gradient_discrepancy,
    linear_stability,
    mean_square_stability,
    memory,
    reconstruction,
    spectrum,
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
    "CROSS_SECTIONS",
    "Clock",
    "Convergence",
    "CriticalStep",
    "CrossSection",
    "Diagonal",
    "EES25",
    "EES27",
    "ErrorCurve",
    "Euler",
    "Experiment",
    "FullBackprop",
    "GradientDiscrepancy",
    "Heun",
    "Increment",
    "LowStorage",
    "MODELS",
    "Memory",
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
    "Spectrum",
    "StoredStates",
    "Tableau",
    "antisymmetric_order",
    "convergence",
    "critical_step",
    "gradient_discrepancy",
    "linear_stability",
    "low_storage",
    "mean_square_stability",
    "memory",
    "order",
    "reconstruction",
    "reverse",
    "run",
    "solve",
    "spectrum",
    "stream",
]
