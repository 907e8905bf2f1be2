"""Questions about a scheme on an equation, each a pure function with a labelled answer."""

from ees.diagnostics.convergence import Convergence, convergence
from ees.diagnostics.critical_step import CriticalStep, Spectrum, critical_step, spectrum
from ees.diagnostics.error_curve import ErrorCurve
from ees.diagnostics.expected_order import Brackets, brackets, expected_orders, recovery_order
from ees.diagnostics.gradients import GradientDiscrepancy, gradient_discrepancy
from ees.diagnostics.memory import Memory, memory
from ees.diagnostics.reconstruction import Reconstruction, reconstruction
from ees.diagnostics.stability import (
    CROSS_SECTIONS,
    CrossSection,
    linear_stability,
    mean_square_stability,
    reversal_defect,
)


__all__ = [
    "Brackets",
    "CROSS_SECTIONS",
    "Convergence",
    "CriticalStep",
    "CrossSection",
    "ErrorCurve",
    "GradientDiscrepancy",
    "Memory",
    "Reconstruction",
    "Spectrum",
    "brackets",
    "convergence",
    "critical_step",
    "expected_orders",
    "gradient_discrepancy",
    "linear_stability",
    "mean_square_stability",
    "memory",
    "reconstruction",
    "recovery_order",
    "reversal_defect",
    "spectrum",
]
