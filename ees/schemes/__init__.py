"""One-step methods for controlled differential equations, forwards and backwards."""

from ees.schemes.base import AbstractScheme, Undo
from ees.schemes.coupled import COUPLED, ReversibleHeun
from ees.schemes.runge_kutta import (
    EES25,
    EES27,
    RK4,
    RUNGE_KUTTA,
    Euler,
    Heun,
    Midpoint,
    RungeKutta,
)


SCHEMES = {**RUNGE_KUTTA, **COUPLED}
"""Name of a scheme -> its factory, callable without arguments."""

__all__ = [
    "AbstractScheme",
    "EES25",
    "EES27",
    "Euler",
    "Heun",
    "Midpoint",
    "RK4",
    "ReversibleHeun",
    "RungeKutta",
    "SCHEMES",
    "Undo",
]
