"""The eigenvalues of a model along its reference, and the step sizes that they allow."""

import dataclasses
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ees.diagnostics import CriticalStep, Spectrum, critical_step, spectrum
from ees.drivers import LATTICE


_POINTS = 63
# As in `ees.critical_step`: this close to the imaginary axis is on it.
_AXIS = 1e-8


def spectrum_of(experiment) -> Spectrum:
    """The eigenvalues at evenly spaced times of the reference; once where all of them agree.

    Remembered: no step size, scheme or precision changes them.
    """
    known = _known(_conditions(experiment))
    if "spectrum" not in known:
        ys = jnp.asarray(experiment.reference()[:: LATTICE // _POINTS])
        ts = jnp.linspace(0.0, experiment.horizon, len(ys))
        field = dataclasses.replace(experiment, precision="float64").problem("Euler", 2).field
        found = spectrum(field, ts, ys)
        same = (found.eigenvalues == found.eigenvalues[:1]).all()
        known["spectrum"] = Spectrum(ts[:1], found.eigenvalues[:1]) if same else found
    return known["spectrum"]


def critical_step_of(experiment, name: str) -> CriticalStep:
    """The largest step at which a scheme lets decay what decays along the reference.

    Remembered, as the spectrum is.
    """
    known = _known(_conditions(experiment))
    scheme = name, *sorted(experiment.options.get(name, {}).items())
    if scheme not in known:
        known[scheme] = critical_step(experiment.scheme(name), spectrum_of(experiment))
    return known[scheme]


def decaying(eigenvalues: np.ndarray) -> np.ndarray:
    """Which of some eigenvalues have a negative real part, beyond round-off."""
    return eigenvalues.real < -_AXIS * np.abs(eigenvalues).max(initial=0.0)


@lru_cache(maxsize=128)
def _known(conditions: str) -> dict:
    return {}


def _conditions(experiment) -> str:
    """All that decides the reference."""
    names = ("model", "parameters", "horizon", "seed", "hurst")
    return type(experiment)(**{name: getattr(experiment, name) for name in names}).to_json()
