"""From a `Plot` to a picture: one HoloViews element, drawn by Bokeh or by Matplotlib.

A plot is flattened into layers, curves and points in a fixed order. An element is made of the
layers. On screen it is made once, with every series that there can be, and new arrays go
straight into its Bokeh sources; in print it has the series of its plot and no others.
"""

import dataclasses

import holoviews as hv
import numpy as np
import panel as pn
from bokeh.core.properties import value
from bokeh.models import CustomJS, Legend
from bokeh.themes import Theme

from app.theme import CURSOR, STYLES, Style, style
from ees import SCHEMES
from ees.results import Axis, Plot, Series


hv.extension("bokeh", "matplotlib", logo=False)
# With software rendering, WebGL costs hundreds of milliseconds an update.
hv.renderer("bokeh").webgl = False
# HoloViews' own theme writes black titles, on dark pages too.
hv.renderer("bokeh").theme = Theme(json={})

# On the wire, and on any screen, 24 bits of position are enough.
_WIRE = np.float32
_HEIGHT = 420
_LEGEND_COLUMNS = 5
_TIME_OFF, _TIME_APART = 0.05, 0.06  # of the window's height
# MathJax paints a label once, in the colour of the page at that time; a label that changes is
# painted again.
_RELABEL = """
const text = axis.axis_label
axis.axis_label = text.endsWith(" ") ? text.trimEnd() : text + " "
"""
_CURSOR_LABEL = "chosen h"
_POOL = tuple(dict.fromkeys(("reference", *STYLES, *SCHEMES)))


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
    """A plot's glyphs from back to front; their number depends on its series alone."""
    empty = np.zeros(0)
    found = []
    if plot.cursor is not None:
        x, y = np.full(2, plot.cursor), np.array(plot.window)
        found.append(Layer("curve", "cursor", _CURSOR_LABEL, CURSOR, x, y))
    for series in plot.series:
        look = style(series.key)
        found.append(Layer("curve", series.key, series.label, look, series.x, series.y))
        x, y = (series.x, series.y) if series.marks else (empty, empty)
        found.append(Layer("markers", series.key, series.label, look, x, y))
    above = 0
    for series in plot.series:
        look = style(series.key)
        x, y = np.array(series.left or (empty, empty)).reshape(2, -1)
        found.append(Layer("cross", series.key, series.label, look, x, y))
        # Schemes that leave together would write their times on top of each other.
        low, high = plot.window or (0.0, 1.0)
        rise = (high - low) * (_TIME_OFF + _TIME_APART * above)
        y = np.where(y > (low + high) / 2, y - rise, y + rise)
        found.append(Layer("time", series.key, series.label, look, x, y))
        above += series.left is not None
    return found


def label(axis: Axis, open_: str = "$", close: str = "$") -> str:
    """An axis label: words, symbol, and the unit in parentheses."""
    unit = f" ({axis.unit})" if axis.unit else ""
    return f"{axis.label} {open_}{axis.symbol}{close}{unit}"


def element(plot: Plot) -> hv.Overlay:
    """A plot as one HoloViews element, with options for both backends."""
    drawn = [_glyph(layer) for layer in layers(plot)]
    limits = {"ylim": plot.window} if plot.window else {}
    both = {"logx": plot.x.log, "logy": plot.y.log, "xlim": _span(plot), **limits}
    return hv.Overlay(drawn).opts(
        hv.opts.Overlay(
            **both,
            xlabel=label(plot.x, "$$", "$$"),
            ylabel=label(plot.y, "$$", "$$"),
            title=plot.title,
            responsive=True,
            height=_HEIGHT,
            legend_position="top",
            legend_limit=1000,
            show_grid=True,
            tools=["crosshair"],
            active_tools=["box_zoom"],
            hooks=[_finish],
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


def _span(plot: Plot) -> tuple[float, float]:
    x = np.concatenate([np.zeros(0), *(series.x for series in plot.series)])
    low, high = (x.min(), x.max()) if len(x) else (0.1, 1.0)
    if plot.cursor is not None:
        low, high = min(low, plot.cursor), max(high, plot.cursor)
    if plot.x.log:
        return low / 1.1, high * 1.1
    return low, high + 0.01 * (high - low)


def _finish(plot, _element) -> None:
    figure = plot.state
    figure.toolbar.logo = None
    figure.title.text_font_size = "0.9em"
    for axis in (*figure.xaxis, *figure.yaxis):
        axis.axis_label_text_font_size = "0.9em"
        axis.js_on_change("axis_label_text_color", CustomJS(args={"axis": axis}, code=_RELABEL))
    for legend in figure.select(Legend):
        # A click on an entry hides its curve; the legend then says so by itself.
        legend.update(
            click_policy="hide",
            location="left",
            orientation="horizontal",
            ncols=_LEGEND_COLUMNS,
            label_text_font_size="0.8em",
            border_line_alpha=0,
            background_fill_alpha=0,
            glyph_width=42,
            spacing=6,
            padding=2,
            margin=2,
        )


class LivePlot(pn.viewable.Viewer):
    """A plot on screen that follows new numbers without being built again.

    The figure holds a glyph for every series that there can be; those that a plot does not
    have are hidden. It is built once, with the page: BokehJS cannot lay out a figure that
    arrives while its surroundings change their size.

    **Arguments:** `blank`: a plot of this kind without series.
    """

    def __init__(self, blank: Plot, **params):
        super().__init__(**params)
        self.plot = blank
        # HoloViews gives no range and no legend to what is empty.
        point = np.full(1, 0.5)
        pool = tuple(Series(key, key, point, point) for key in _POOL)
        rendered = hv.renderer("bokeh").get_plot(element(dataclasses.replace(blank, series=pool)))
        self._figure = rendered.state
        self._glyphs = [part.handles for part in rendered.subplots.values()]
        self._legend = self._figure.select_one(Legend)
        self._entries = {entry.label.value: entry for entry in self._legend.items}
        self._shown: set[str] = set(_POOL)
        self._pane = pn.pane.Bokeh(
            self._figure, sizing_mode="stretch_width", height=_HEIGHT, margin=(5, 10)
        )
        self.draw(blank)

    def __panel__(self):
        return self._pane

    def draw(self, plot: Plot) -> None:
        """Draws a plot of the same kind: new arrays into the glyphs that are on screen."""
        before, self.plot = self.plot, plot
        given = {series.key: series for series in plot.series}
        empty = np.zeros(0)
        pool = tuple(given.get(key) or Series(key, key, empty, empty) for key in _POOL)
        drawn = layers(dataclasses.replace(plot, series=pool))
        for handles, layer in zip(self._glyphs, drawn, strict=True):
            if layer.key in given or layer.key in self._shown:
                handles["source"].data = layer.columns
            # What the user hid by the legend stays hidden until its series comes anew.
            if (layer.key in given) != (layer.key in self._shown) and layer.key != "cursor":
                handles["glyph_renderer"].visible = layer.key in given
        for key, series in given.items():
            if self._entries[key].label.value != series.label:
                self._entries[key].label = value(series.label)
        cursor = () if plot.cursor is None else (_CURSOR_LABEL,)
        entries = [self._entries[key] for key in (*given, *cursor)]
        # Hidden entries would still take up room.
        if self._legend.items != entries:
            self._legend.items = entries
        self._shown = set(given) | {"cursor"}
        figure = self._figure
        figure.title.text = plot.title
        figure.yaxis.axis_label = label(plot.y, "$$", "$$")
        # A user who zoomed in keeps the view until the data's own range moves.
        if plot.window is not None and plot.window != before.window:
            figure.y_range.update(start=plot.window[0], end=plot.window[1])
        if _span(plot) != _span(before):
            start, end = _span(plot)
            figure.x_range.update(start=start, end=end)
        pn.io.push_notebook(self._pane)
