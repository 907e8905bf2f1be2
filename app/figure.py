"""From a `Plot` to a picture: its layers, and one HoloViews element made of them.

A plot is flattened into layers, curves and points in a fixed order. The element draws them in a
notebook (by Bokeh) and in print (by Matplotlib); `app.live` draws the same layers on a page.
"""

import dataclasses

import holoviews as hv
import numpy as np
from bokeh.themes import Theme

from app.theme import CURSOR, Style, style
from ees.results import Axis, Plot


hv.extension("bokeh", "matplotlib", logo=False)
# With software rendering, WebGL costs hundreds of milliseconds an update.
hv.renderer("bokeh").webgl = False
# HoloViews' own theme writes black titles, on dark pages too.
hv.renderer("bokeh").theme = Theme(json={})

HEIGHT = 420

# On the wire, and on any screen, 24 bits of position are enough.
_WIRE = np.float32
_TIME_OFF, _TIME_APART = 0.05, 0.06  # of the window's height


@dataclasses.dataclass(frozen=True)
class Layer:
    """One glyph of a plot: a line, its markers, the cross where it left, or the time there."""

    kind: str  # "curve", "markers", "cross" or "time"
    key: str
    label: str
    style: Style
    x: np.ndarray
    y: np.ndarray

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """What the glyph's source holds."""
        columns = {"x": self.x.astype(_WIRE), "y": self.y.astype(_WIRE)}
        if self.kind == "time":
            columns["text"] = np.array([f"t = {x:.4g}" for x in self.x], object)
        return columns


def layers(plot: Plot) -> list[Layer]:
    """A plot's glyphs from back to front."""
    found = []
    for series in plot.series:
        points = series.key, series.label, style(series.key), series.x, series.y
        found.append(Layer("curve", *points))
        if series.marks:
            found.append(Layer("markers", *points))
    if plot.cursor is not None:
        x, y = np.full(2, plot.cursor), np.array(plot.window)
        found.append(Layer("curve", "cursor", "chosen h", CURSOR, x, y))
    low, high = plot.window or (0.0, 1.0)
    leavers = [series for series in plot.series if series.left is not None]
    for above, series in enumerate(leavers):
        x, y = np.array(series.left).reshape(2, 1)
        found.append(Layer("cross", series.key, series.label, style(series.key), x, y))
        # Schemes that leave together would write their times on top of each other.
        rise = (high - low) * (_TIME_OFF + _TIME_APART * above)
        y = np.where(y > (low + high) / 2, y - rise, y + rise)
        found.append(Layer("time", series.key, series.label, style(series.key), x, y))
    return found


def label(axis: Axis, open_: str = "$", close: str = "$") -> str:
    """An axis label: words, symbol, and the unit in parentheses."""
    unit = f" ({axis.unit})" if axis.unit else ""
    return f"{axis.label} {open_}{axis.symbol}{close}{unit}"


def element(plot: Plot) -> hv.Overlay:
    """A plot as one HoloViews element, with options for both backends."""
    drawn = [_glyph(layer) for layer in layers(plot) if len(layer.x)]
    limits = {"ylim": plot.window} if plot.window else {}
    both = {"logx": plot.x.log, "logy": plot.y.log, "xlim": span(plot), **limits}
    return hv.Overlay(drawn).opts(
        hv.opts.Overlay(
            **both,
            xlabel=label(plot.x, "$$", "$$"),
            ylabel=label(plot.y, "$$", "$$"),
            title=plot.title,
            responsive=True,
            height=HEIGHT,
            legend_position="top",
            legend_limit=1000,
            show_grid=True,
            backend="bokeh",
        ),
        hv.opts.Overlay(
            **both,
            xlabel=label(plot.x),
            ylabel=label(plot.y),
            title="",
            backend="matplotlib",
        ),
    )


def _glyph(layer: Layer):
    look = layer.style
    if layer.kind == "curve":
        dash = (0, look.dash) if look.dash else "-"
        return hv.Curve((layer.x, layer.y), "x", "y", label=layer.label).opts(
            hv.opts.Curve(
                color=look.colour,
                line_dash=list(look.dash) or "solid",
                line_width=look.width,
                backend="bokeh",
            ),
            hv.opts.Curve(
                color=look.colour, linestyle=dash, linewidth=look.width * 0.45, backend="matplotlib"
            ),
        )
    if layer.kind == "time":
        return hv.Labels((layer.x, layer.y, layer.columns["text"]), ["x", "y"], "text").opts(
            hv.opts.Labels(
                text_color=look.colour, text_font_size="9pt", text_align="right", backend="bokeh"
            ),
            hv.opts.Labels(
                color=look.colour, size=6, horizontalalignment="right", backend="matplotlib"
            ),
        )
    cross = layer.kind == "cross"
    return hv.Scatter((layer.x, layer.y), "x", "y", label=layer.label).opts(
        hv.opts.Scatter(
            color=look.colour,
            marker="x" if cross else look.marker[0],
            size=14 if cross else 6,
            line_width=3 if cross else 1,
            backend="bokeh",
        ),
        hv.opts.Scatter(
            color=look.colour,
            marker="X" if cross else look.marker[1],
            s=36 if cross else 6,
            linewidth=1.5 if cross else 0.5,
            backend="matplotlib",
        ),
    )


def span(plot: Plot) -> tuple[float, float]:
    """The limits of a plot's x axis."""
    x = np.concatenate([np.zeros(0), *(series.x for series in plot.series)])
    low, high = (x.min(), x.max()) if len(x) else (0.1, 1.0)
    if plot.cursor is not None:
        low, high = min(low, plot.cursor), max(high, plot.cursor)
    if plot.x.log:
        return low / 1.1, high * 1.1
    return low, high + 0.01 * (high - low)
