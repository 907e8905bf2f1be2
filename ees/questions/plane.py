"""Where in the complex plane a scheme decays, where the model's eigenvalues are, order stars."""

import dataclasses
from functools import lru_cache

import numpy as np

from ees.diagnostics import linear_stability
from ees.diagnostics.amplification import coordinates_of
from ees.questions.base import Choice
from ees.questions.spectrum import critical_steps_of, decaying, eigenvalues_of, growth_of
from ees.results import Axis, Plot, Region, Series
from ees.schemes import SCHEMES


AXES = Choice(
    "Axes", {"step": "λh, per step", "evaluation": "λh / s, per field evaluation"}
)  # fmt: skip
SHADED = Choice(
    "Growth factor shaded",
    {
        "first": "of the first scheme",
        "none": "of none",
        **{name: f"of {make().name}" for name, make in SCHEMES.items()},
    },
)

# The published window, and around it what a wider screen shows.
_X, _Y = np.linspace(-7.0, 3.0, 201), np.linspace(-4.5, 4.5, 181)
_WINDOWS = {"step": ((-4.5, 1.0), (-3.5, 3.5)), "evaluation": ((-2.2, 0.5), (-1.7, 1.7))}
_STAR = np.linspace(-6.0, 6.0, 161)
_STAR_WINDOW = -4.5, 4.5
_GROWTH = Axis("growth per step", "|R|")
# More than round-off above 1 is growth. A double eigenvalue is known to half of the digits only.
_ROUND_OFF, _DOUBLE = 1e-12, 1e-7

BLANK = Plot(
    key="stability-domain",
    title="",
    x=Axis("real part", r"\mathrm{Re}\,\lambda h"),
    y=Axis("imaginary part", r"\mathrm{Im}\,\lambda h"),
    series=(),
    window=_WINDOWS["step"][1],
    range=_WINDOWS["step"][0],
    square=True,
)
STAR_BLANK = Plot(
    key="order-star",
    title="",
    x=Axis("real part", r"\mathrm{Re}\,z"),
    y=Axis("imaginary part", r"\mathrm{Im}\,z"),
    series=(),
    window=_STAR_WINDOW,
    range=_STAR_WINDOW,
    square=True,
)


def scale(experiment, name: str) -> int:
    """How many steps' worth of one unit of the axes a scheme takes: 1, or its evaluations."""
    return experiment.scheme(name).evaluations if experiment.choice("axes") == "evaluation" else 1


def domains(experiment) -> tuple[Plot, tuple[str, ...]]:
    """The stability domain of every scheme with the model's eigenvalues, and what follows."""
    axes = experiment.choice("axes")
    shaded = experiment.choice("shaded")
    shaded = experiment.schemes[0] if shaded == "first" else shaded
    regions, segments, messages = [], [], []
    for name in experiment.schemes:
        label, unit = experiment.scheme(name).name, scale(experiment, name)
        values = _domain(name, _options(experiment, name))
        if (values < 1 - _DOUBLE).any():
            region = Region(name, label, _GROWTH, _X / unit, _Y / unit, values, 1.0, name == shaded)
            regions.append(region)
        else:
            # A domain without an interior: what is left of the imaginary axis.
            y = _Y[_axis(name, _options(experiment, name)) <= 1 + _DOUBLE] / unit
            segments.append(Series(name, label, np.zeros(len(y)), y))
    dots, sentences, counted = _eigenvalues(experiment)
    probe = complex(experiment.choice("probe_re"), experiment.choice("probe_im"))
    point = np.array([probe.real]), np.array([probe.imag])
    h = experiment.horizon / experiment.steps
    (left, right), (low, high) = _WINDOWS[axes]
    inside = [s for s in dots if s.key != "probe"]
    unseen = sum(
        int(((s.x < left) | (s.x > right) | (s.y < low) | (s.y > high)).sum()) for s in inside
    )
    if unseen:
        messages.append(
            f"{unseen} of the dots lie outside of the picture, as far as "
            f"|z| = {max(np.hypot(s.x, s.y).max(initial=0.0) for s in inside):.3g}."
        )
    symbol = r"\lambda h" if axes == "step" else r"\lambda h / s"
    plot = dataclasses.replace(
        BLANK,
        title=f"{experiment.subject.title}: eigenvalues times h = {h:.4g}",
        x=dataclasses.replace(BLANK.x, symbol=rf"\mathrm{{Re}}\,{symbol}"),
        y=dataclasses.replace(BLANK.y, symbol=rf"\mathrm{{Im}}\,{symbol}"),
        series=(*segments, *dots, Series("probe", f"probe, {written(probe)}", *point, "dots")),
        regions=tuple(regions),
        range=(left, right),
        window=(low, high),
        caption=f"{counted} Inside its line a scheme lets the test equation y' = λy decay.",
    )
    return plot, (*sentences, *messages)


def star(experiment) -> Plot:
    """Where each scheme grows less than the exact solution of the test equation."""
    regions, said = [], []
    for name in experiment.schemes:
        scheme = experiment.scheme(name)
        values, sectors = _star(name, _options(experiment, name))
        quantity = Axis("growth against exp", r"|R(z)| / |e^z|")
        regions.append(Region(name, scheme.name, quantity, _STAR, _STAR, values))
        if sectors is None:
            said.append(f"{scheme.name}, which has two modes, is drawn by the larger one")
        else:
            said.append(f"{scheme.name} {sectors}, so its order is {sectors - 1}")
    axis = Series("guide", "imaginary axis", np.zeros(2), np.array([_STAR[0], _STAR[-1]]))
    return dataclasses.replace(
        STAR_BLANK,
        title="Order stars: where a step grows less than the exact solution",
        series=(axis,),
        regions=tuple(regions),
        caption="Filled: |R(z)| < |exp(z)|. Sectors that meet at 0, one more than the order: "
        f"{'; '.join(said)}.",
    )


def written(z: complex) -> str:
    """A complex number for people."""
    return f"{z.real:.3g} {'−' if z.imag < 0 else '+'} {abs(z.imag):.3g}i".replace("-", "−")


def _eigenvalues(experiment) -> tuple[list[Series], list[str], str]:
    """The dots, a sentence for each scheme, and one on all of them."""
    found = eigenvalues_of(experiment)
    falls = decaying(found)

    def label(name):
        return experiment.scheme(name).name

    places, outside, sentences = {}, {}, []
    criticals = critical_steps_of(experiment)
    for name in experiment.schemes:
        scheme = experiment.scheme(name)
        h = experiment.horizon / experiment.steps_of(name)
        places[name] = found * h / scale(experiment, name)
        outside[name] = falls & (growth_of(scheme, found * h) > 1 + _ROUND_OFF)
        sentences.append(
            _sentence(label(name), h, criticals[name], outside[name].sum(), falls.sum())
        )
    # What was never inside a domain, however small the step, does not leave it.
    barren = [name for name, critical in criticals.items() if critical == 0]
    left = {name: marks & (name not in barren) for name, marks in outside.items()}
    beyond = np.any(list(left.values()), axis=0)
    first = next(iter(places.values()))
    shared = all(np.allclose(place, first, rtol=1e-12, atol=0) for place in places.values())
    if shared:
        dots = [
            _dots("decays", "eigenvalues × h", first[falls & ~beyond]),
            _dots("outside", "outside a domain", first[beyond]),
            _dots("grows", "Re λ ≥ 0, no decay", first[~falls]),
        ]
    else:
        # Steps or axes of their own: every scheme has its own dots.
        own = [
            _dots(name, label(name), place[falls & ~left[name]]) for name, place in places.items()
        ]
        turned = np.concatenate([place[left[name]] for name, place in places.items()])
        still = np.concatenate([place[~falls] for place in places.values()])
        dots = [
            *own,
            _dots("outside", "outside its domain", turned),
            _dots("grows", "Re λ ≥ 0, no decay", still),
        ]
    counted = f"Eigenvalues along the reference path: {len(found)}, decaying: {falls.sum()}"
    if falls.any():
        names = ", ".join(map(label, barren))
        aside = f", not counting {names}. No step is small enough for {names}" if barren else ""
        counted += f", of these outside of some domain: {beyond.sum()}{aside}"
    counted += "."
    return [series for series in dots if len(series.x)], sentences, counted


def _sentence(label: str, h: float, critical: float, outside: int, falls: int) -> str:
    if not falls:
        return f"{label}: nothing decays along this path, so no step is too large by linear theory."
    if critical == 0:
        limit = "every step is too large"
    elif np.isinf(critical):
        limit = f"h = {h:.4g}, and no step is too large"
    else:
        where = "beyond" if h > critical else "within"
        limit = f"h = {h:.4g} is {where} its critical step, {critical:.4g}"
    return f"{label}: {limit}; {outside} of {falls} decaying eigenvalues lie outside its domain."


def _dots(key: str, label: str, z: np.ndarray) -> Series:
    return Series(key, label, z.real.astype(float), z.imag.astype(float), "dots")


def _options(experiment, name: str) -> tuple:
    return tuple(sorted(experiment.options.get(name, {}).items()))


@lru_cache(maxsize=64)
def _domain(name: str, options: tuple) -> np.ndarray:
    """The growth factor on the grid."""
    return linear_stability(SCHEMES[name](**dict(options)), _X + 1j * _Y[:, None])


@lru_cache(maxsize=64)
def _axis(name: str, options: tuple) -> np.ndarray:
    """The growth factor on the imaginary axis."""
    return linear_stability(SCHEMES[name](**dict(options)), 1j * _Y)


@lru_cache(maxsize=64)
def _star(name: str, options: tuple) -> tuple[np.ndarray, int | None]:
    """|R| / |exp| on the grid, and how many sectors below 1 meet at 0: with one mode, they do."""
    scheme = SCHEMES[name](**dict(options))

    def ratio(z):
        return linear_stability(scheme, z) / np.exp(z.real)

    if len(coordinates_of(scheme)) > 1:
        return ratio(_STAR + 1j * _STAR[:, None]), None
    around = ratio(0.25 * np.exp(2j * np.pi * (np.arange(720) + 0.5) / 720)) < 1
    sectors = int((around & ~np.roll(around, 1)).sum())
    return ratio(_STAR + 1j * _STAR[:, None]), sectors
