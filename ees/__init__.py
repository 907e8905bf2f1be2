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
from ees.drivers import (
    AbstractDriver,
    AbstractPath,
    Brownian,
    BrownianPath,
    Clock,
    FractionalBrownian,
    Increment,
    Sampled,
)
from ees.experiment import Experiment, run, stream
from ees.fields import (
    ODE,
    SDE,
    AbstractField,
    Additive,
    Diagonal,
    General,
    Scalar,
    ito_to_stratonovich,
)
from ees.models import MODELS, Model
from ees.schemes import (
    EES25,
    EES27,
    RK4,
    SCHEMES,
    AbstractScheme,
    AsynchronousLeapfrog,
    Euler,
    Heun,
    Heun3,
    ImplicitMidpoint,
    Kutta3,
    McCallumFoster,
    McCallumFosterMidpoint,
    Midpoint,
    Ralston,
    Ralston4,
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
    "AbstractPath",
    "AbstractScheme",
    "Additive",
    "AsynchronousLeapfrog",
    "Brownian",
    "BrownianPath",
    "Clock",
    "Continuous",
    "Diagonal",
    "EES25",
    "EES27",
    "Euler",
    "Experiment",
    "FractionalBrownian",
    "FullBackprop",
    "General",
    "GradientDiscrepancy",
    "Heun",
    "Heun3",
    "ImplicitMidpoint",
    "Increment",
    "Kutta3",
    "LowStorage",
    "MODELS",
    "McCallumFoster",
    "McCallumFosterMidpoint",
    "Midpoint",
    "Model",
    "ODE",
    "RK4",
    "Ralston",
    "Ralston4",
    "Reconstruction",
    "RecursiveCheckpoint",
    "Reversible",
    "ReversibleHeun",
    "RungeKutta",
    "SCHEMES",
    "SDE",
    "Sampled",
    "Scalar",
    "Solution",
    "StoredStates",
    "Tableau",
    "antisymmetric_order",
    "gradient_discrepancy",
    "ito_to_stratonovich",
    "low_storage",
    "order",
    "reconstruction",
    "reverse",
    "run",
    "solve",
    "stream",
    "value_gradient_and_defect",
]
