"""A plot on a page, which follows new numbers without being built again."""

from collections.abc import Callable
from functools import partial

import panel as pn
from bokeh.core.properties import value
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import MISSING_RENDERERS
from bokeh.events import Tap
from bokeh.models import (
    BoxZoomTool,
    CDSView,
    ColumnDataSource,
    CustomJS,
    GlyphRenderer,
    HoverTool,
    Legend,
    LegendItem,
    Range1d,
)
from bokeh.plotting import figure

from app.figure import FILL, HEIGHT, SIZES, TEXTS, Layer, heights, label, layers, span
from app.play import Stage
from app.study import covers, turned
from ees.results import Plot


# A page that has not been opened yet has figures without glyphs, and that is no fault.
silence(MISSING_RENDERERS)

_LEGEND_COLUMNS = 5
# On a narrow screen fewer entries stand side by side.
_LEGEND = """
const columns = Math.max(1, Math.min(most, Math.floor(cb_obj.inner_width / 140)))
if (legend.ncols != columns) legend.ncols = columns
"""
# Layers whose points have numbers worth reading.
_POINTED = ("curve", "markers", "dots", "cross")
# Lines that hold at all times.
_STILL = ("floor", "guide", "cursor")
# MathJax paints a label once, in the colour of the page at that time; a label that changes is
# painted again.
_RELABEL = """
const text = axis.axis_label
axis.axis_label = text.endsWith(" ") ? text.trimEnd() : text + " "
"""
# Both axes in one scale, whatever the room: the figure shows at least what its tags name; a plot
# of a square kind that is not square itself says so in one more tag.
_SQUARE = """
const {inner_width, inner_height, x_range, y_range, tags} = figure
const [left, right, bottom, top, stretched] = tags
if (stretched) {
  x_range.setv({start: left, end: right})
  y_range.setv({start: bottom, end: top})
} else if (inner_width > 0 && inner_height > 0) {
  const unit = Math.max((right - left) / inner_width, (top - bottom) / inner_height) / 2
  const x = (left + right) / 2, y = (bottom + top) / 2
  x_range.setv({start: x - unit * inner_width, end: x + unit * inner_width})
  y_range.setv({start: y - unit * inner_height, end: y + unit * inner_height})
}
"""
_SQUARE_HEIGHT, _SQUARE_WIDTH = 560, 620


class LivePlot(pn.viewable.Viewer):
    """A plot on a page.

    The Bokeh figure is made once, with the page: BokehJS cannot lay out a figure that arrives
    while its surroundings change their size. A glyph is made when its layer is first drawn, and
    from then on new arrays go straight into its source, one assignment each.

    **Arguments:**

    - `blank`: a plot of this kind without series.
    - `tapped(plot, x, y)`: is called with what is drawn and a point of it where the user clicks.
    - `hide(key, hidden)`: is called when the user hides a series, or shows it again.
    - `stage`: what the pictures of a session share.
    """

    def __init__(
        self,
        blank: Plot,
        tapped: Callable[[Plot, float, float], None] | None = None,
        hide: Callable[[str, bool], None] | None = None,
        stage: Stage | None = None,
        **params,
    ):
        super().__init__(**params)
        self.plot, self._hide, self._stage = blank, hide, stage
        self._hidden: frozenset[str] = frozenset()
        self._figure = _figure(blank)
        self._legend = self._figure.select_one(Legend)
        self._glyphs: dict[tuple[str, str], GlyphRenderer] = {}
        self._entries: dict[str, LegendItem] = {}
        if stage is not None and blank.x.symbol == "t":
            self._figure.add_layout(stage.mark)
        if tapped is not None:
            self._figure.on_event(Tap, lambda event: self._tap(event, tapped))
        shape = {"max_width": _SQUARE_WIDTH} if blank.square else {}
        self._pane = pn.pane.Bokeh(
            self._figure,
            sizing_mode="stretch_width",
            height=_SQUARE_HEIGHT if blank.square else HEIGHT,
            margin=(5, 10),
            **shape,
        )
        self.draw(blank)

    def __panel__(self):
        return self._pane

    def draw(self, plot: Plot) -> None:
        """Draws a plot of the same kind."""
        before, self.plot = self.plot, plot
        drawn = {(layer.key, layer.kind): layer for layer in layers(plot)}
        for name, layer in drawn.items():
            if name in self._glyphs:
                self._glyphs[name].data_source.data = layer.columns
            else:
                self._glyphs[name] = _glyph(self._figure, layer)
                self._perform(layer)
                self._enter(layer)
        for name in self._glyphs.keys() - drawn.keys():
            # The point at the moment lives on the curve's own numbers.
            if name[1] == "moment":
                continue
            source = self._glyphs[name].data_source
            if len(source.data["x"]):
                source.data = {column: [] for column in source.data}
        self._entitle(drawn.values())
        self._figure.title.text = plot.title
        for axis, of in ((self._figure.xaxis, plot.x), (self._figure.yaxis, plot.y)):
            axis.axis_label = label(of, "$$", "$$")
        # A user who zoomed in keeps the view until the data's own range moves.
        limits = *span(plot), *heights(plot), *["stretched"] * (not plot.square)
        if self._figure.tags:
            if self._figure.tags != list(limits):
                self._figure.tags = list(limits)
        else:
            for axis, new, old in (
                (self._figure.x_range, span(plot), span(before)),
                (self._figure.y_range, heights(plot), heights(before)),
            ):
                if new != old:
                    axis.update(start=new[0], end=new[1])
        pn.io.push_notebook(self._pane)

    def _tap(self, event: Tap, tapped) -> None:
        ranges = (event.x, self._figure.x_range), (event.y, self._figure.y_range)
        # A click in the legend is one outside of the frame.
        if all(at is not None and along.start <= at <= along.end for at, along in ranges):
            tapped(self.plot, float(event.x), float(event.y))

    def hide(self, keys: frozenset[str]) -> None:
        """Hides the series of these keys, and shows all others."""
        self._hidden = keys
        for key, entry in self._entries.items():
            for glyph in entry.renderers:
                if glyph.visible == covers(keys, key):
                    glyph.visible = not glyph.visible

    def _perform(self, layer: Layer) -> None:
        """A new curve along time ends at the moment while that runs."""
        timed = layer.times is not None or self.plot.x.symbol == "t"
        moves = layer.kind in ("curve", "markers") and layer.key.partition("/")[0] not in _STILL
        if self._stage is None or not timed or not moves:
            return
        curve = self._glyphs[layer.key, layer.kind]
        curve.view.filter = self._stage.past
        if layer.kind == "curve":
            self._glyphs[layer.key, "moment"] = self._figure.scatter(
                "x",
                "y",
                source=curve.data_source,
                view=CDSView(filter=self._stage.here),
                marker=layer.style.marker[0],
                size=11,
                color=layer.style.colour,
                level="overlay",
            )

    def _enter(self, layer: Layer) -> None:
        """A new glyph belongs to its series' entry, whose click hides all of them."""
        if layer.key not in self._entries:
            self._entries[layer.key] = LegendItem(label=value(layer.label), renderers=[])
        entry = self._entries[layer.key]
        made = [self._glyphs[name] for name in self._glyphs if name[0] == layer.key]
        new = [glyph for glyph in made if glyph not in entry.renderers]
        for glyph in new:
            glyph.visible = not covers(self._hidden, layer.key)
            glyph.on_change("visible", partial(self._turned, layer.key))
        entry.renderers = [*entry.renderers, *new]

    def _turned(self, key: str, attr: str, old: bool, visible: bool) -> None:
        """The user clicked on a series' entry, and the browser hid one of its glyphs."""
        if visible == covers(self._hidden, key):
            self.hide(turned(self._hidden, key, not visible))
            if self._hide is not None:
                self._hide(key, not visible)

    def _entitle(self, drawn) -> None:
        labels = {layer.key: layer.label for layer in drawn}
        for key, text in labels.items():
            if self._entries[key].label.value != text:
                self._entries[key].label = value(text)
        entries = [self._entries[key] for key in labels]
        if self._legend.items != entries:
            self._legend.items = entries


def _figure(blank: Plot):
    made = figure(
        height=_SQUARE_HEIGHT if blank.square else HEIGHT,
        sizing_mode="stretch_width",
        x_axis_type="log" if blank.x.log else "linear",
        y_axis_type="log" if blank.y.log else "linear",
        x_range=Range1d(*span(blank)),
        y_range=Range1d(*heights(blank)),
        x_axis_label=label(blank.x, "$$", "$$"),
        tools="pan,box_zoom,wheel_zoom,save,reset",
        active_drag="box_zoom",
    )
    made.toolbar.logo = None
    made.title.text_font_size = "0.9em"
    made.add_tools(
        HoverTool(
            renderers=[],
            tooltips=[("", "$name"), (blank.x.label, "$snap_x{0.0000}"), (blank.y.label, "$snap_y")],
        )
    )
    if blank.square:
        made.max_width = _SQUARE_WIDTH
        made.select_one(BoxZoomTool).match_aspect = True
        made.tags = [*span(blank), *heights(blank)]
        shape = CustomJS(args={"figure": made}, code=_SQUARE)
        for changed in ("inner_width", "inner_height", "tags"):
            made.js_on_change(changed, shape)
    for axis in (*made.xaxis, *made.yaxis):
        axis.axis_label_text_font_size = "0.9em"
        axis.js_on_change("axis_label_text_color", CustomJS(args={"axis": axis}, code=_RELABEL))
    legend = Legend(
        items=[],
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
    made.add_layout(legend, "above")
    fit = CustomJS(args={"legend": legend, "most": _LEGEND_COLUMNS}, code=_LEGEND)
    made.js_on_change("inner_width", fit)
    return made


def _glyph(made, layer: Layer) -> GlyphRenderer:
    glyph = _drawn(made, layer)
    if layer.kind in _POINTED:
        hover = made.select_one(HoverTool)
        hover.renderers = [*hover.renderers, glyph]
    return glyph


def _drawn(made, layer: Layer) -> GlyphRenderer:
    look = layer.style
    of = {"source": ColumnDataSource(layer.columns), "name": layer.label}
    if layer.kind == "fill":
        return made.patches(
            "x",
            "y",
            fill_color=look.colour,
            fill_alpha=FILL,
            line_alpha=0.0,
            level="underlay",
            **of,
        )
    if layer.kind in ("curve", "contours"):
        thin = layer.kind == "contours"
        return made.line(
            "x",
            "y",
            line_color=look.colour,
            line_dash=list(look.dash) if look.dash and not thin else "solid",
            line_width=1.0 if thin else look.width,
            **of,
        )
    if layer.kind in SIZES:
        size, stroke = SIZES[layer.kind]
        cross = layer.kind == "cross"
        return made.scatter(
            "x",
            "y",
            marker="x" if cross else look.marker[0],
            size=size,
            line_width=stroke,
            color=look.colour,
            level="overlay" if cross else "glyph",
            **of,
        )
    return made.text(
        "x",
        "y",
        "text",
        text_color=look.colour,
        text_font_size="9pt",
        text_align=TEXTS[layer.kind][0],
        text_baseline=TEXTS[layer.kind][1],
        level="overlay",
        **of,
    )
