"""Where a scheme's second moment decays on the test equation with noise."""

import cmath
import dataclasses
import math
from functools import lru_cache

import numpy as np

from ees.diagnostics import CROSS_SECTIONS, CrossSection, mean_square_stability
from ees.questions.base import Choice, Number
from ees.results import Axis, Plot, Region
from ees.schemes import SCHEMES


_SECTIONS = dict(zip(("real", "imaginary", "diagonal", "across"), CROSS_SECTIONS))
_ANGLE = {"low": -180.0, "high": 180.0, "whole": True, "matters": ("section", "angles")}
CHOICES = {
    "section": Choice(
        "Cross-section",
        {
            **{
                name: f"λh = {section.drift_latex}, noise {section.noise_latex}"
                for name, section in _SECTIONS.items()
            },
            "angles": "λ and μ at the angles below",
        },
    ),
    "definition": Choice(
        "Growth factor",
        {"second_moment": "E|R|²: mean-square stability", "published": "|E R²|: as published"},
    ),
    "reading": Choice(
        "Equation read as", {"stratonovich": "Stratonovich", "ito": "Itô, converted"}
    ),
    "noise": Choice(
        "Noise axis b",
        {"deviation": "μ√h, as drawn in the paper", "variance": "μ²h, as its axis says"},
    ),
    "drift_angle": Number("Angle of λ in degrees", 180.0, **_ANGLE),
    "noise_angle": Number("Angle of μ in degrees", 0.0, **_ANGLE),
}
_COLUMNS, _ROWS = 141, 113
# EES(2,7) is stable beyond the published windows.
_WIDER = 1.3
_ROUND_OFF = 1e-9

BLANK = Plot(
    key="mean-square",
    title="",
    x=Axis("drift", "a"),
    y=Axis("noise", "b"),
    series=(),
    window=(-2.0, 2.0),
    range=(-4.5, 1.3),
)


def mean_square(experiment) -> tuple[Plot, tuple[str, ...]]:
    """The mean-square domains of all schemes and of the equation itself, and what to know."""
    section, definition, reading, noise = (
        experiment.choice(name) for name in ("section", "definition", "reading", "noise")
    )
    angles = experiment.choice("drift_angle"), experiment.choice("noise_angle")
    plane = _plane(section, *(angles if section == "angles" else (0, 0)))
    a, b, lambda_dt, mu2_dt = _grid(plane, noise == "variance")
    growth = Axis("growth of the second moment", r"E|R|^2")
    if definition == "published":
        growth = Axis("growth as published", r"|E R^2|")
    exact = _exact(lambda_dt, mu2_dt, definition, reading)
    regions = [Region("reference", "the equation itself", growth, a, b, exact)]
    messages, areas = [], []
    for name in experiment.schemes:
        label = experiment.scheme(name).name
        options = tuple(sorted(experiment.options.get(name, {}).items()))
        try:
            values = _growth(name, options, plane, noise == "variance", definition, reading)
        except ValueError:
            messages.append(
                f"{label} is not drawn: its step has a pole, which noise reaches, and there the "
                "second moment is infinite."
            )
            continue
        area = _area(a, b, values < 1 - _ROUND_OFF)
        if area:
            areas.append(f"{label} {area:.3g}")
            regions.append(Region(name, label, growth, a, b, values))
        else:
            messages.append(f"{label} is stable nowhere inside of this picture.")
    what = "E|R|² < 1, mean-square stability" if definition == "second_moment" else "|E R²| < 1"
    symbol = "μ√h" if noise == "deviation" else "μ²h"
    messages.append(_difference(definition, reading))
    plot = dataclasses.replace(
        BLANK,
        title=f"Mean-square domains: λh = {plane.drift_latex}, {symbol} = {plane.noise_latex}",
        regions=tuple(regions),
        range=(float(a[0]), float(a[-1])),
        window=(float(b[0]), float(b[-1])),
        caption=f"Filled: {what}, on dy = λy dt + μy dW. Area inside of the picture: the equation "
        f"itself {_area(a, b, exact < 1):.3g}" + "".join(f", {text}" for text in areas) + ".",
    )
    return plot, tuple(messages)


def _difference(definition: str, reading: str) -> str:
    said = (
        "The published figure shows |E R²|, which is never larger than E|R|² and says nothing of "
        "stability but where λ and μ are real; there the two agree."
        if definition == "published"
        else "E|R|² < 1 is mean-square stability; the published figure shows |E R²|, which agrees "
        "with it where λ and μ are real only."
    )
    if reading == "ito":
        said += " Read as Itô, λ goes over into λ − μ²/2 of the Stratonovich form that is solved."
    return said


@lru_cache(maxsize=64)
def _plane(section: str, drift_angle: float, noise_angle: float) -> CrossSection:
    if section != "angles":
        return _SECTIONS[section]
    drift, noise = (cmath.rect(1.0, math.radians(x)) for x in (drift_angle, noise_angle))
    written = f"a·exp({drift_angle:g}°i)", f"b·exp({noise_angle:g}°i)"
    return CrossSection(drift, noise, *written, (-3.5, 3.5), (-1.5, 1.5))


@lru_cache(maxsize=64)
def _grid(plane: CrossSection, variance: bool):
    across, along = (_WIDER * np.array(ends) for ends in (plane.a, plane.b))
    along = along * np.abs(along) if variance else along
    a, b = np.linspace(*across, _COLUMNS), np.linspace(*along, _ROWS)
    return a, b, *plane.parameters(a, b[:, None], variance=variance)


@lru_cache(maxsize=64)
def _growth(name, options, plane, variance, definition, reading) -> np.ndarray:
    _, _, lambda_dt, mu2_dt = _grid(plane, variance)
    scheme = SCHEMES[name](**dict(options))
    return mean_square_stability(
        scheme, lambda_dt, mu2_dt, reading=reading, definition=definition
    )  # fmt: skip


def _exact(lambda_dt, mu2_dt, definition: str, reading: str) -> np.ndarray:
    """The same moment of exp(λh + μ√h ξ), the exact solution after a step."""
    if reading == "ito":
        lambda_dt = lambda_dt - mu2_dt / 2
    if definition == "published":
        return np.exp(2 * (lambda_dt + mu2_dt).real)
    return np.exp(2 * lambda_dt.real + 2 * np.sqrt(mu2_dt + 0j).real ** 2)


def _area(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> float:
    """The area of a part of a grid, whose outermost points stand for half as much."""
    along = np.full(len(a), a[1] - a[0])
    across = np.full(len(b), b[1] - b[0])
    for widths in (along, across):
        widths[[0, -1]] /= 2
    return float(across @ inside @ along)
