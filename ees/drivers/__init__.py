"""What drives an equation: increments $dX = (dt, dW)$, pure in the step index.

A forward and a backward pass ask the driver for the same step and get the same bits, so no
pass has to store noise.
"""

from ees.drivers.abreast import Abreast
from ees.drivers.base import AbstractDriver, Clock, Increment
from ees.drivers.brownian import Brownian
from ees.drivers.derived import Backwards, First
from ees.drivers.paths import (
    LATTICE,
    AbstractPath,
    BrownianPath,
    FractionalBrownian,
    Sampled,
    divisors,
)


__all__ = [
    "Abreast",
    "AbstractDriver",
    "AbstractPath",
    "Backwards",
    "Brownian",
    "BrownianPath",
    "Clock",
    "First",
    "FractionalBrownian",
    "Increment",
    "LATTICE",
    "Sampled",
    "divisors",
]
