"""Questions about a scheme on an equation, each a pure function with a labelled answer."""

from ees.diagnostics.gradients import GradientDiscrepancy, gradient_discrepancy
from ees.diagnostics.reconstruction import Reconstruction, reconstruction


__all__ = [
    "GradientDiscrepancy",
    "Reconstruction",
    "gradient_discrepancy",
    "reconstruction",
]
