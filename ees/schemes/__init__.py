"""One-step methods for controlled differential equations, forwards and backwards."""

from ees.schemes.base import AbstractScheme, Undo
from ees.schemes.coupled import (
    COUPLED,
    AsynchronousLeapfrog,
    McCallumFoster,
    McCallumFosterMidpoint,
    ReversibleHeun,
)
from ees.schemes.implicit import IMPLICIT, ImplicitMidpoint
from ees.schemes.runge_kutta import (
    EES25,
    EES27,
    RK4,
    RUNGE_KUTTA,
    Euler,
    Heun,
    Heun3,
    Kutta3,
    Midpoint,
    Ralston,
    Ralston4,
    RungeKutta,
)


SCHEMES = {**RUNGE_KUTTA, **COUPLED, **IMPLICIT}
"""Name of a scheme -> its factory, callable without arguments."""

__all__ = [
    "AbstractScheme",
    "AsynchronousLeapfrog",
    "EES25",
    "EES27",
    "Euler",
    "Heun",
    "Heun3",
    "ImplicitMidpoint",
    "Kutta3",
    "McCallumFoster",
    "McCallumFosterMidpoint",
    "Midpoint",
    "RK4",
    "Ralston",
    "Ralston4",
    "ReversibleHeun",
    "RungeKutta",
    "SCHEMES",
    "Undo",
]
