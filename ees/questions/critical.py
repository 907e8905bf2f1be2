"""The critical step of every scheme on a model, in words."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.questions.spectrum import critical_steps_are_known, critical_steps_of


@dataclasses.dataclass(frozen=True)
class Critical:
    """The step size at which each scheme leaves its stability domain, by linear theory.

    - `steps`: scheme -> step size, 0 or `inf` where every or no step is too large.
    - `said`: all of them, in a sentence.
    """

    steps: dict[str, float]
    said: str

    def beyond(self, experiment) -> list[str]:
        """A sentence for each scheme whose step is larger than that."""
        sentences = []
        for name, critical in self.steps.items():
            h = experiment.horizon / experiment.steps_of(name)
            if 0 < critical < h:
                label = experiment.scheme(name).name
                sentences.append(
                    f"{label}: h = {h:.4g} is beyond its critical step, {critical:.4g}."
                )
        return sentences


def critical_steps(experiment) -> Iterator[Critical | None]:
    """The critical steps along the experiment's reference: at once if they are known.

    **Returns:** an iterator: `None` first if they must be computed, then what was found. Whoever
    moves a slider stops asking after `None`, and does not wait.
    """
    if not critical_steps_are_known(experiment):
        yield None
    steps = critical_steps_of(experiment)
    yield Critical(steps, _said(experiment, steps))


def _said(experiment, steps) -> str:
    limited = [
        f"{experiment.scheme(name).name} {h:.4g}" + " (every step is too large)" * (h == 0)
        for name, h in steps.items()
        if np.isfinite(h)
    ]
    if not limited:
        return "By linear theory no step size is too large for the drift."
    return f"Critical step by linear theory: {', '.join(limited)}."
