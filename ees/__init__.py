"""Effectively symmetric Runge-Kutta schemes for ODEs and Stratonovich SDEs, in JAX.

One idea: a scheme turns an increment $dX = (dt, dW)$ into a step, and the same scheme with
$-dX$ is the step back. `solve` runs it, `reverse` runs it back, an adjoint differentiates it,
and the diagnostics ask how well all of that works.
"""

import importlib
from typing import TYPE_CHECKING

from ees.adjoints import (
    AbstractAdjoint,
    Auto,
    Continuous,
    FullBackprop,
    RecursiveCheckpoint,
    Reversible,
    StoredStates,
    value_gradient_and_defect,
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
from ees.ensemble import ensemble
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

if TYPE_CHECKING:
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
    from ees.experiment import Experiment, run, stream
    from ees.models import MODELS, Model


# What is asked for, if at all, long after the first solve: rooms that open on the first visit.
_LATER = {
    "ees.diagnostics": (
        "CROSS_SECTIONS",
        "Convergence",
        "CriticalStep",
        "CrossSection",
        "ErrorCurve",
        "GradientDiscrepancy",
        "Memory",
        "Reconstruction",
        "Spectrum",
        "convergence",
        "critical_step",
        "gradient_discrepancy",
        "linear_stability",
        "mean_square_stability",
        "memory",
        "reconstruction",
        "spectrum",
    ),
    "ees.experiment": (
        "Experiment",
        "run",
        "stream",
    ),
    "ees.models": (
        "MODELS",
        "Model",
    ),
}

__all__ = [
    "AbstractAdjoint",
    "AbstractDriver",
    "AbstractField",
    "AbstractPath",
    "AbstractScheme",
    "Additive",
    "AsynchronousLeapfrog",
    "Auto",
    "Brownian",
    "BrownianPath",
    "CROSS_SECTIONS",
    "Clock",
    "Continuous",
    "Convergence",
    "CriticalStep",
    "CrossSection",
    "Diagonal",
    "EES25",
    "EES27",
    "ErrorCurve",
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
    "Memory",
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
    "Spectrum",
    "StoredStates",
    "Tableau",
    "antisymmetric_order",
    "convergence",
    "critical_step",
    "ensemble",
    "gradient_discrepancy",
    "ito_to_stratonovich",
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
    "value_gradient_and_defect",
]


def __getattr__(name):
    if f"ees.{name}" in _LATER:
        return importlib.import_module(f"ees.{name}")
    for room, names in _LATER.items():
        if name in names:
            globals()[name] = getattr(importlib.import_module(room), name)
            return globals()[name]
    raise AttributeError(f"module 'ees' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
