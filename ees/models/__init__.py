"""The catalogue of models: equations that are worth looking at, with parameters and ranges."""

from ees.models.base import Model, Parameter
from ees.models.hamiltonian import HAMILTONIAN, kepler
from ees.models.linear import LINEAR, geometric_brownian_motion, ornstein_uhlenbeck
from ees.models.neural import NEURAL, neural_sde
from ees.models.nonlinear import NONLINEAR, double_well, stochastic_lorenz


MODELS = {**LINEAR, **NONLINEAR, **HAMILTONIAN, **NEURAL}
"""Name of a model -> its factory: parameters as keywords, callable without arguments."""

__all__ = [
    "MODELS",
    "Model",
    "Parameter",
    "double_well",
    "geometric_brownian_motion",
    "kepler",
    "neural_sde",
    "ornstein_uhlenbeck",
    "stochastic_lorenz",
]
