"""Why does it blow up? Stability domains, the model's eigenvalues in them, order stars."""

from collections.abc import Iterator

from ees.questions.base import Question
from ees.questions.mean_square import BLANK as MEAN_SQUARE
from ees.questions.mean_square import CHOICES as MEAN_SQUARE_CHOICES
from ees.questions.mean_square import mean_square
from ees.questions.plane import AXES, SHADED, STAR_BLANK, domains, star
from ees.questions.plane import BLANK as PLANE
from ees.questions.probe import BLANK as PROBED
from ees.questions.probe import PROBE, probe, probed
from ees.results import Report


def _linear(experiment) -> Iterator[Report]:
    plot, messages = domains(experiment)
    yield Report((plot, probe(experiment)), messages)


def _mean_square(experiment) -> Iterator[Report]:
    plot, messages = mean_square(experiment)
    yield Report((plot,), messages)


def _order_star(experiment) -> Iterator[Report]:
    yield Report((star(experiment),))


STABILITY = {
    "linear": Question(
        _linear,
        (PLANE, PROBED),
        {"axes": AXES, "shaded": SHADED, **PROBE},
        pointed=probed,
    ),
    "mean_square": Question(_mean_square, (MEAN_SQUARE,), MEAN_SQUARE_CHOICES),
    "order_star": Question(_order_star, (STAR_BLANK,)),
}
"""The parts of the view."""
