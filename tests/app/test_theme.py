"""Schemes are told apart by colour, by dash and by marker, on white and on dark."""

import itertools

import numpy as np
import pytest

import ees
from app.theme import STYLES, style


# Severity 1 of Machado, Oliveira, Fernandes (2009), on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def _linear(colour):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = (to_xyz @ np.clip(linear, 0, 1)) / [0.9505, 1.0, 1.089]
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _contrast(colour, background):
    light, dark = sorted(
        (float(_linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (colour, background)),
        reverse=True,
    )
    return light / dark


def test_every_scheme_has_a_style_of_its_own():
    assert set(ees.SCHEMES) <= set(STYLES)
    schemes = [STYLES[name] for name in ees.SCHEMES]
    for part in ("dash", "marker"):
        assert len({getattr(s, part) for s in schemes}) == len(schemes)
    for backend in (0, 1):
        assert len({s.marker[backend] for s in schemes}) == len(schemes)


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_far_apart_for_every_vision(vision):
    colours = sorted({STYLES[name].colour for name in ees.SCHEMES})
    assert len(colours) >= 9
    for one, other in itertools.combinations(colours, 2):
        seen = (_lab(np.asarray(VISION[vision]) @ _linear(c)) for c in (one, other))
        assert np.linalg.norm(np.subtract(*seen)) >= 15, (one, other)


@pytest.mark.parametrize("background", ["#ffffff", "#121212"])
def test_colours_stand_out_from_white_and_from_dark(background):
    for key, look in STYLES.items():
        assert _contrast(look.colour, background) >= 2.95, key


def test_what_stands_beside_a_scheme_has_its_colour_and_other_strokes():
    for name in ees.SCHEMES:
        beside = style(f"{name}/own")
        assert beside.colour == style(name).colour and beside.width < style(name).width
        assert beside.dash != style(name).dash and beside.marker != style(name).marker


def test_a_series_that_nobody_styled_gets_a_plain_style():
    assert style("somebody new") not in STYLES.values()
