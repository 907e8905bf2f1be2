"""A Bokeh figure and its glyphs, as a page draws them."""

import numpy as np
from bokeh.events import LegendItemClick
from bokeh.models import (
    BoxZoomTool,
    CDSView,
    ColumnDataSource,
    CustomJS,
    Filter,
    GlyphRenderer,
    Legend,
    Line,
    NoOverlap,
    Patches,
    Range1d,
    Scatter,
    Text,
    VArea,
)
from bokeh.plotting import figure

from app.figure import AREAS, FILL, HEIGHT, SIZES, TEXTS, Layer, heights, label, span
from app.pointer import read, readers
from app.theme import Style
from ees.results import Plot


_LEGEND_COLUMNS = 5
_SAMPLE = 42
# As many entries stand side by side as the longest of them lets; where that makes many rows, the
# figure grows, and the plot in it keeps its height.
_LEGEND = """
const longest = Math.max(8, ...legend.items.map((item) => item.label.value.length))
const fit = Math.floor(figure.inner_width / (60 + 7 * longest))
const columns = Math.max(1, Math.min(most, fit))
if (legend.ncols != columns) legend.ncols = columns
const rows = Math.ceil(legend.items.length / columns)
const grown = height + 20 * Math.max(0, rows - 2)
if (figure.height != grown) figure.height = grown
"""
# panel-material-ui makes samples so short that one cannot tell dashes from dots.
_LENGTHEN = "if (legend.glyph_width != width) legend.glyph_width = width"
_TITLE = 0.9  # em
# On a narrow screen a title is as large as it fits, down to what can still be read; at the largest
# size a letter takes 6.3 pixels or less.
_ENTITLE = """
const fit = most * (figure.inner_width + 30) / (6.3 * title.text.length)
const size = `${Math.max(0.62, Math.min(most, fit)).toFixed(2)}em`
if (title.text_font_size != size) title.setv({text_font_size: size}, {sync: false})
"""
# The legend itself hides the samples that it shows.
_HIDE = """
const [{tags, visible}] = cb_obj.item.renderers
const others = figure.renderers.filter((one) => !cb_obj.item.renderers.includes(one))
for (const one of others) if (one.tags[0] === tags[0]) one.visible = !visible
"""
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
SQUARE_HEIGHT, SQUARE_WIDTH = 560, 620


def new_figure(blank: Plot, fields: ColumnDataSource):
    """A Bokeh figure for plots of the kind of `blank`, with a legend, tools and no glyph.

    **Arguments:** `fields`: holds the values of the regions of the plot that is drawn.
    """
    made = figure(
        height=SQUARE_HEIGHT if blank.square else HEIGHT,
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
    made.title.text_font_size = f"{_TITLE}em"
    entitle = CustomJS(args={"figure": made, "title": made.title, "most": _TITLE}, code=_ENTITLE)
    made.js_on_change("inner_width", entitle)
    made.title.js_on_change("text", entitle)
    made.add_tools(*readers(made, blank, fields))
    if blank.square:
        made.max_width = SQUARE_WIDTH
        made.select_one(BoxZoomTool).match_aspect = True
        made.tags = [*span(blank), *heights(blank)]
        shape = CustomJS(args={"figure": made}, code=_SQUARE)
        for changed in ("inner_width", "inner_height", "tags"):
            made.js_on_change(changed, shape)
    for axis, of in ((made.xaxis[0], blank.x), (made.yaxis[0], blank.y)):
        axis.axis_label_text_font_size = "0.9em"
        axis.major_label_policy = NoOverlap()
        if of.whole and not of.log:
            axis.ticker.min_interval = 1
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
        glyph_width=_SAMPLE,
        spacing=6,
        padding=2,
        margin=2,
    )
    made.add_layout(legend, "above")
    size = {"most": _LEGEND_COLUMNS, "height": made.height}
    fit = CustomJS(args={"figure": made, "legend": legend, **size}, code=_LEGEND)
    made.js_on_change("inner_width", fit)
    legend.js_on_change("items", fit)
    sample = CustomJS(args={"legend": legend, "width": _SAMPLE}, code=_LENGTHEN)
    legend.js_on_change("glyph_width", sample)
    legend.js_on_event(LegendItemClick, CustomJS(args={"figure": made}, code=_HIDE))
    return made


def new_glyph(made, layer: Layer) -> GlyphRenderer:
    """A layer's glyph in a figure, with a source of its own."""
    glyph = _drawn(made, layer)
    read(made, glyph, layer.kind)
    return glyph


def new_point(curve: GlyphRenderer, look: Style, here: Filter) -> GlyphRenderer:
    """The point of a curve that a filter lets through, with the marker of its series.

    No figure has it yet.
    """
    return GlyphRenderer(
        data_source=curve.data_source,
        glyph=Scatter(marker=look.marker[0], size=11, **_coloured(look)),
        level="overlay",
        name=curve.name,
        view=CDSView(filter=here),
    )


def new_sample(made, drawn: GlyphRenderer) -> GlyphRenderer:
    """A glyph as the legend shows it, without any point in the plot.

    BokehJS builds the legend again whenever anything changes that can be reached from a glyph
    in it, twice for each assignment of numbers: what moves stays out of its reach.
    """
    nowhere = [[np.nan]] if isinstance(drawn.glyph, Patches) else [np.nan]
    source = ColumnDataSource(dict.fromkeys(drawn.data_source.data, nowhere))
    return _renderer(made, source, drawn.glyph)


def _drawn(made, layer: Layer) -> GlyphRenderer:
    look, kind, level = layer.style, layer.kind, "glyph"
    if kind in AREAS:
        filled = {"fill_color": look.colour, "fill_alpha": FILL}
        band = kind == "band"
        glyph = (
            VArea(y1="y", y2="high", **filled)
            if band
            else Patches(xs="x", ys="y", line_alpha=0.0, **filled)
        )
        level = "underlay"
    elif kind in ("curve", "contours"):
        thin = kind == "contours"
        glyph = Line(
            line_color=look.colour,
            line_dash=list(look.dash) if look.dash and not thin else "solid",
            line_width=1.0 if thin else look.width,
        )
    elif kind in SIZES:
        size, stroke = SIZES[kind]
        cross = kind == "cross"
        marker = "x" if cross else look.marker[0]
        glyph = Scatter(marker=marker, size=size, line_width=stroke, **_coloured(look))
        level = "overlay" if cross else "glyph"
    else:
        across, along = TEXTS[kind]
        glyph = Text(
            text="text",
            text_color=look.colour,
            text_font_size="9pt",
            text_align=across,
            text_baseline=along,
        )
        level = "overlay"
    source = ColumnDataSource(layer.columns)
    return _renderer(made, source, glyph, level=level, name=layer.label)


def _coloured(look: Style) -> dict[str, str]:
    return {"line_color": look.colour, "fill_color": look.colour}


def _renderer(made, source, glyph, **options) -> GlyphRenderer:
    # The methods of a figure take three times as long, for defaults and names that are given here.
    renderer = GlyphRenderer(data_source=source, glyph=glyph, **options)
    made.renderers.append(renderer)
    return renderer
