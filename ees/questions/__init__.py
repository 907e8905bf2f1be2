"""The questions that a page asks: an experiment in, pictures of numbers out."""

from ees.questions import gradients as _gradients, paths as _paths, reversal as _reversal
from ees.questions.gradients import gradients
from ees.questions.paths import paths
from ees.questions.reversal import reversal


VIEWS = {"paths": paths, "reversal": reversal, "gradients": gradients}
"""Name of a view -> what computes it, report by report."""

BLANKS = {"paths": _paths.BLANKS, "reversal": _reversal.BLANKS, "gradients": _gradients.BLANKS}
"""Name of a view -> its plots without series: keys and axes, before anything is computed."""

__all__ = ["BLANKS", "VIEWS", "gradients", "paths", "reversal"]
