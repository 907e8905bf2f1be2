"""One colour, dash and marker for each scheme, on screen and in print.

The colours hold on white and on dark, and for the common colour-vision deficiencies; every
scheme also has its own dash and its own marker, so that nothing rests on colour.
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


# Chosen by search: at least 3 to 1 against white and against the dark page, and at least 23 apart
# (CIE76) for normal, protan, deutan and tritan vision.
_BLUE, _ORANGE, _RED = "#5a69f0", "#e1780f", "#c31e1e"
_GREEN, _MAGENTA, _SLATE = "#00a55a", "#b41e96", "#4b695a"
_VIOLET, _PINK, _LILAC = "#781eff", "#d278a5", "#9687e1"

# A family of schemes shares a colour; dash and marker are each scheme's own.
STYLES = {
    "EES25": Style(_BLUE, (), ("circle", "o"), 2.4),
    "EES27": Style(_ORANGE, (12, 3), ("square", "s"), 2.4),
    "ReversibleHeun": Style(_RED, (6, 3), ("triangle", "^")),
    "Euler": Style(_SLATE, (4, 5), ("star", "*")),
    "Heun": Style(_MAGENTA, (2, 3), ("plus", "P")),
    "Midpoint": Style(_MAGENTA, (10, 3, 2, 3, 2, 3), ("inverted_triangle", "v")),
    "Ralston": Style(_MAGENTA, (5, 2, 1, 2), ("square_pin", "p")),
    "Kutta3": Style(_GREEN, (5, 3), ("triangle_pin", "<")),
    "Heun3": Style(_GREEN, (2, 2, 5, 2), ("hex", "h")),
    "RK4": Style(_GREEN, (8, 3, 2, 3), ("diamond", "D")),
    "Ralston4": Style(_GREEN, (14, 3, 2, 3), ("diamond_cross", "d")),
    "McCallumFoster": Style(_VIOLET, (9, 5), ("square_cross", ">")),
    "McCallumFosterMidpoint": Style(_VIOLET, (9, 3, 3, 3, 3, 3), ("circle_cross", "8")),
    "AsynchronousLeapfrog": Style(_PINK, (1, 3), ("asterisk", "H")),
    "ImplicitMidpoint": Style(_LILAC, (14, 5), ("star_dot", ".")),
    # Adjoints, which never stand beside schemes.
    "reversible": Style(_BLUE, (), ("circle", "o"), 2.4),
    "sparse": Style(_ORANGE, (12, 3), ("square", "s")),
    "recursive": Style(_GREEN, (8, 3, 2, 3), ("diamond", "D")),
    "continuous": Style(_MAGENTA, (2, 3), ("plus", "P")),
    "tape": Style(_RED, (6, 3), ("triangle", "^")),
    "reference": Style("#8f8f8f", (), ("dot", "o"), 3.0),
    "guide": Style("#8f8f8f", (1, 2), ("dot", "o"), 1.5),
    "floor": Style("#888888", (2, 4), ("dot", "o"), 1.5),
}
# Eigenvalues are told apart by where they lie; the ones that make a scheme blow up stand out.
STYLES |= {
    "decays": Style("#8a8a8a", (), ("circle", "o")),
    "outside": Style("#b0632f", (), ("x", "X")),
    "grows": Style("#8a8a8a", (), ("cross", "P")),
    "probe": Style("#d0457e", (), ("circle_x", "X")),
}
_SPARE = Style("#777777", (3, 2, 1, 2), ("y", "o"))

CURSOR = Style("#888888", (4, 2), ("dot", "o"), 1.5)
MOMENT = Style("#888888", (1, 2), ("dot", "o"), 1.5)


# What else belongs to a scheme is thinner than the scheme, and dashed and marked otherwise.
_SECOND = {"dash": (4, 3, 1, 3, 1, 3), "marker": ("x", "X"), "width": 1.5}


def style(key: str) -> Style:
    """The style of a series by its key; a key that nobody has styled yet gets a plain one.

    A key `"EES25/..."` is of something beside the scheme: in its colour, with other strokes.
    """
    name, _, second = key.partition("/")
    if name not in STYLES:
        return _SPARE
    return dataclasses.replace(STYLES[name], **_SECOND) if second else STYLES[name]


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


STILL = {"& .MuiSlider-thumb, & .MuiSlider-track": {"transition": "none"}}
"""Of a slider: its thumb would glide after each key, and the page be painted all the while."""
