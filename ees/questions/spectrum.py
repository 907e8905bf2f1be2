"""The eigenvalues of a model along its reference, and the step sizes that they allow.

Arrays are filled up to a power of 2, so that models of all sizes share a few compiled programs.
"""

import dataclasses
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ees.diagnostics import Spectrum, critical_step, linear_stability, spectrum
from ees.drivers import LATTICE


_POINTS = 63
_SMALLEST = 64
# As in `ees.critical_step`: this close to the imaginary axis is on it.
_AXIS = 1e-8


def eigenvalues_of(experiment) -> np.ndarray:
    """`(count,)`: the eigenvalues of the drift's Jacobian at even times of the reference.

    Those of a single time where those of all times agree, and none that is not finite.
    Remembered: no step size, scheme or precision changes them.
    """
    known = _known(_conditions(experiment))
    if "eigenvalues" not in known:
        ys = jnp.asarray(experiment.reference()[:: LATTICE // _POINTS])
        ts = jnp.linspace(0.0, experiment.horizon, len(ys))
        field = dataclasses.replace(experiment, precision="float64").problem("Euler", 2).field
        found = spectrum(field, ts, ys).eigenvalues
        found = found[:1] if (found == found[:1]).all() else found
        known["eigenvalues"] = found[np.isfinite(found)]
    return known["eigenvalues"]


def critical_steps_of(experiment) -> dict[str, float]:
    """The largest step at which each scheme lets decay what decays along the reference.

    As `ees.critical_step`; remembered, as the eigenvalues are.
    """
    known = _known(_conditions(experiment))
    for name in experiment.schemes:
        scheme = _scheme(experiment, name)
        if scheme not in known:
            numbers = _filled(eigenvalues_of(experiment), np.nan)
            at = Spectrum(jnp.zeros(len(numbers)), numbers)
            known[scheme] = critical_step(experiment.scheme(name), at).step
    return {name: known[_scheme(experiment, name)] for name in experiment.schemes}


def critical_steps_are_known(experiment) -> bool:
    """Whether `critical_steps_of` would answer at once."""
    known = _known(_conditions(experiment))
    return all(_scheme(experiment, name) in known for name in experiment.schemes)


def growth_of(scheme, z: np.ndarray) -> np.ndarray:
    """`ees.linear_stability` at points `(count,)`."""
    return linear_stability(scheme, _filled(z, 0.0))[: len(z), 0]


def decaying(eigenvalues: np.ndarray) -> np.ndarray:
    """Which eigenvalues have a negative real part, beyond round-off."""
    return eigenvalues.real < -_AXIS * np.abs(eigenvalues).max(initial=0.0)


def _filled(z: np.ndarray, filler: float) -> np.ndarray:
    size = max(_SMALLEST, 1 << (len(z) - 1).bit_length())
    filled = np.full((size, 1), filler, complex)
    filled[: len(z), 0] = z
    return filled


def _scheme(experiment, name: str) -> tuple:
    return name, *sorted(experiment.options.get(name, {}).items())


@lru_cache(maxsize=128)
def _known(conditions: str) -> dict:
    return {}


def _conditions(experiment) -> str:
    """All that decides the reference."""
    names = ("model", "parameters", "horizon", "seed", "hurst")
    return type(experiment)(**{name: getattr(experiment, name) for name in names}).to_json()
