"""One colour, dash and marker for each scheme, on screen and in print.

The colours are Petroff's, made for the common colour-vision deficiencies (arXiv 2107.02270);
every scheme also has its own dash and its own marker, so that nothing rests on colour. Neutral
greys read on white and on dark alike.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Style:
    """How a curve is drawn.

    - `colour`: "#rrggbb"; `dash`: lengths of strokes and gaps in points, `()` for a solid line.
    - `marker`: Bokeh's name and Matplotlib's letter; `width`: in points on screen.
    """

    colour: str
    dash: tuple[int, ...]
    marker: tuple[str, str]
    width: float = 2.0


_CIRCLE, _SQUARE, _TRIANGLE = ("circle", "o"), ("square", "s"), ("triangle", "^")
_DIAMOND, _PLUS, _INVERTED = ("diamond", "D"), ("plus", "P"), ("inverted_triangle", "v")
_STAR, _HEX = ("star", "*"), ("hex", "h")

STYLES = {
    "EES25": Style("#1845fb", (), _CIRCLE, 2.4),
    "EES27": Style("#ff5e02", (12, 3), _SQUARE, 2.4),
    "ReversibleHeun": Style("#c91f16", (6, 3), _TRIANGLE),
    "RK4": Style("#3d8b85", (8, 3, 2, 3), _DIAMOND),
    "Heun": Style("#a96bd0", (2, 3), _PLUS),
    "Midpoint": Style("#578dff", (10, 3, 2, 3, 2, 3), _INVERTED),
    "Euler": Style("#8a7d3c", (4, 5), _STAR),
    "reference": Style("#8f8f8f", (), _HEX, 3.0),
    "floor": Style("#888888", (2, 4), _HEX, 1.5),
}
_SPARE = Style("#656364", (3, 2, 1, 2), _HEX)

CURSOR = Style("#888888", (4, 2), _HEX, 1.5)


def style(key: str) -> Style:
    """The style of a series by its key; a key that nobody has styled yet gets a plain one."""
    return STYLES.get(key, _SPARE)


PRINT = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "ees-explorer",
}
"""Matplotlib settings of a journal figure: embedded TrueType fonts, nothing below 0.5 pt."""
