"""Can the gradient be trusted, and what does it cost?"""

from ees.questions.gradients.cost import COST
from ees.questions.gradients.error import COUNTS, ERROR
from ees.questions.gradients.horizon import HORIZON
from ees.questions.gradients.parameters import PARAMETERS


GRADIENTS = {"error": ERROR, "horizon": HORIZON, "parameters": PARAMETERS, "cost": COST}
"""The parts of the view."""

__all__ = ["COUNTS", "GRADIENTS"]
