"""Can a scheme run backwards?"""

from ees.questions.reversal.error import COUNTS, ERROR
from ees.questions.reversal.passes import PASSES
from ees.questions.reversal.rough import ROUGH


REVERSAL = {"error": ERROR, "passes": PASSES, "rough": ROUGH}
"""The parts of the view."""

__all__ = ["COUNTS", "REVERSAL"]
