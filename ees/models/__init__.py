"""The catalogue of models: equations that are worth looking at, with parameters and ranges."""

from ees.models.base import Model, Parameter
from ees.models.finance import FINANCE
from ees.models.hamiltonian import HAMILTONIAN
from ees.models.linear import LINEAR
from ees.models.neural import NEURAL
from ees.models.nonlinear import NONLINEAR
from ees.models.oscillators import OSCILLATORS


MODELS = {**LINEAR, **NONLINEAR, **OSCILLATORS, **HAMILTONIAN, **FINANCE, **NEURAL}
"""Name of a model -> its factory: parameters as keywords, callable without arguments."""

__all__ = ["MODELS", "Model", "Parameter"]
