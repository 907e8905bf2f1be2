"""The critical step of every scheme on a model, remembered: it depends on no step size."""

import dataclasses
import json
from collections.abc import Iterator
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ees.diagnostics import critical_step, spectrum
from ees.drivers import LATTICE


_EVERY = LATTICE // 63


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
    known = _known(_conditions(experiment))
    options = {name: _written(experiment, name) for name in experiment.schemes}
    if any(option not in known for option in options.values()):
        yield None
        reference = experiment.reference()[::_EVERY]
        ts = jnp.linspace(0.0, experiment.horizon, len(reference))
        field = dataclasses.replace(experiment, precision="float64").problem("Euler", 2).field
        found = spectrum(field, ts, jnp.asarray(reference))
        for name, option in options.items():
            if option not in known:
                known[option] = critical_step(experiment.scheme(name), found).step
    steps = {name: known[option] for name, option in options.items()}
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


def _written(experiment, name) -> str:
    return name + json.dumps(experiment.options.get(name, {}), sort_keys=True)


@lru_cache(maxsize=256)
def _known(conditions: str) -> dict[str, float]:
    return {}


def _conditions(experiment) -> str:
    """All that decides the spectrum along the reference."""
    plain = type(experiment)(
        model=experiment.model,
        parameters=experiment.parameters,
        horizon=experiment.horizon,
        seed=experiment.seed,
        hurst=experiment.hurst,
    )
    return plain.to_json()
