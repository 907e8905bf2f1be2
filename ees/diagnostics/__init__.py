"""Questions about a scheme on an equation, each a pure function with a labelled answer."""

from ees.diagnostics.critical_step import CriticalStep, Spectrum, critical_step, spectrum
from ees.diagnostics.gradients import GradientDiscrepancy, gradient_discrepancy
from ees.diagnostics.reconstruction import Reconstruction, reconstruction
from ees.diagnostics.stability import (
    CROSS_SECTIONS,
    CrossSection,
    linear_stability,
    mean_square_stability,
)


__all__ = [
    "CROSS_SECTIONS",
    "CriticalStep",
    "CrossSection",
    "GradientDiscrepancy",
    "Reconstruction",
    "Spectrum",
    "critical_step",
    "gradient_discrepancy",
    "linear_stability",
    "mean_square_stability",
    "reconstruction",
    "spectrum",
]
