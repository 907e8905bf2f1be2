"""The questions that a page asks: an experiment in, pictures of numbers out."""

from ees.questions.base import Choice, Component, Number, Question
from ees.questions.convergence import CONVERGENCE
from ees.questions.gradients import GRADIENTS
from ees.questions.paths import PATHS
from ees.questions.reversal import REVERSAL
from ees.questions.stability import STABILITY


VIEWS = {
    "paths": PATHS,
    "reversal": REVERSAL,
    "gradients": GRADIENTS,
    "stability": STABILITY,
    "convergence": CONVERGENCE,
}
"""Name of a view -> name of a part -> what that part asks; the first part is the default."""

CHOICES = {
    name: choice
    for parts in VIEWS.values()
    for question in parts.values()
    for name, choice in question.choices.items()
}
"""Name -> all that there is to choose about any question. One name means one thing everywhere."""

__all__ = ["CHOICES", "Choice", "Component", "Number", "Question", "VIEWS"]
