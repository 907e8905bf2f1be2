"""The questions that a page asks: an experiment in, pictures of numbers out."""

from ees.questions.gradients import gradients
from ees.questions.paths import paths
from ees.questions.reversal import reversal


VIEWS = {"paths": paths, "reversal": reversal, "gradients": gradients}
"""Name of a view -> what computes it, report by report."""

__all__ = ["VIEWS", "gradients", "paths", "reversal"]
