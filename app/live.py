"""A plot on a page, which follows new numbers without being built again."""

from collections.abc import Callable
from functools import partial

import numpy as np
import panel as pn
from bokeh.core.properties import value
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import MISSING_RENDERERS
from bokeh.events import Tap
from bokeh.model import Model
from bokeh.models import ColumnDataSource, GlyphRenderer, Legend, LegendItem

from app.figure import HEIGHT, TEXTS, Layer, heights, label, layers, span
from app.glyphs import (
    SQUARE_HEIGHT,
    SQUARE_WIDTH,
    new_figure,
    new_glyph,
    new_point,
    new_sample,
)
from app.play import Stage
from app.pointer import fields
from app.serving import growing
from app.study import covers, turned
from ees.results import Plot


# A page that has not been opened yet has figures without glyphs, and that is no fault.
silence(MISSING_RENDERERS)
# Bokeh holds filters to be wrong for lines, whose points they may pull apart. Ours let the first
# points of a curve through, or all; and this complaint cannot be silenced otherwise.
GlyphRenderer._check_cdsview_filters_with_connected = None

# Lines that hold at all times.
_STILL = ("floor", "guide", "cursor")
# Kinds of layers that end at the moment while time plays.
_MOVING = ("curve", "markers", "band")


def _same(one, other) -> bool:
    """Whether two columns hold the same numbers, texts or arrays of numbers."""
    if isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return np.array_equal(one, other, equal_nan=other.dtype != object)


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
        self._attends = False
        self._moving: list[tuple[GlyphRenderer, GlyphRenderer | None]] = []
        self._fields = ColumnDataSource(fields(blank))
        self._figure = new_figure(blank, self._fields)
        self._legend = self._figure.select_one(Legend)
        self._glyphs: dict[tuple[str, str], GlyphRenderer] = {}
        self._entries: dict[str, LegendItem] = {}
        if stage is not None and blank.x.symbol == "t":
            self._figure.add_layout(stage.mark)
        if tapped is not None:
            self._figure.on_event(Tap, lambda event: self._tap(event, tapped))
        shape = {"max_width": SQUARE_WIDTH} if blank.square else {}
        self._pane = pn.pane.Bokeh(
            self._figure,
            sizing_mode="stretch_width",
            height=SQUARE_HEIGHT if blank.square else HEIGHT,
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
        # What is new becomes part of the page when all of it is there: BokehJS cannot be told of
        # a change to a model that it has not met.
        with growing(self._figure, grown := []):
            for name, layer in drawn.items():
                if name in self._glyphs:
                    self._fill(self._glyphs[name].data_source, layer.columns)
                else:
                    grown += self._add(layer)
            left = self._entitle(drawn.values())
            grown += [entry for entry in self._legend.items if entry.document is None]
        if left and self._figure.document is not None:
            self._figure.document.models.invalidate()
        self._fill(self._fields, fields(plot))
        for name in self._glyphs.keys() - drawn.keys():
            # The point at the moment lives on the curve's own numbers.
            if name[1] == "moment":
                continue
            source = self._glyphs[name].data_source
            if len(source.data["x"]):
                source.data = {column: [] for column in source.data}
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

    @staticmethod
    def _fill(source: ColumnDataSource, columns) -> None:
        """New numbers for a source: what stays need not be sent and painted again."""
        before = source.data
        if not all(name in before and _same(before[name], columns[name]) for name in columns):
            source.data = columns

    def _tap(self, event: Tap, tapped) -> None:
        ranges = (event.x, self._figure.x_range), (event.y, self._figure.y_range)
        # A click in the legend is one outside of the frame.
        if all(at is not None and along.start <= at <= along.end for at, along in ranges):
            tapped(self.plot, float(event.x), float(event.y))

    def hide(self, keys: frozenset[str]) -> None:
        """Hides the series of these keys, and shows all others."""
        self._hidden = keys
        for key, entry in self._entries.items():
            drawn = [glyph for name, glyph in self._glyphs.items() if name[0] == key]
            for glyph in (*entry.renderers, *drawn):
                if glyph.visible == covers(keys, key):
                    glyph.visible = not glyph.visible

    def attend(self) -> None:
        """From now on curves end at the moment while time plays, and have a point there.

        Not before there is a moment: a figure of ten curves with filters and points takes 6 ms
        longer to follow a slider.
        """
        if self._attends or self._stage is None:
            return
        self._attends = True
        with growing(self._figure, grown := []):
            grown += self._attend(self._moving)
        pn.io.push_notebook(self._pane)

    def _attend(self, moving: list[tuple[GlyphRenderer, GlyphRenderer | None]]) -> list[Model]:
        """**Returns:** what is new to the page."""
        points = [point for _, point in moving if point is not None]
        self._figure.renderers.extend(points)
        for glyph, _ in moving:
            glyph.view.filter = self._stage.past
        return [*points, self._stage.past]

    def _add(self, layer: Layer) -> list[Model]:
        """A new glyph, and where its curve moves with time, a point for the moment.

        **Returns:** what is new to the page.
        """
        glyph = new_glyph(self._figure, layer)
        self._glyphs[layer.key, layer.kind] = glyph
        timed = layer.times is not None or self.plot.x.symbol == "t"
        still = layer.key.partition("/")[0] in _STILL
        if self._stage is None or not timed or still or layer.kind not in _MOVING:
            return [glyph, *self._enter(layer, [glyph])]
        point = None
        if layer.kind == "curve":
            point = new_point(glyph, layer.style, self._stage.here)
            self._glyphs[layer.key, "moment"] = point
        made = [glyph] if point is None else [glyph, point]
        grown = [glyph, *self._enter(layer, made)]
        self._moving.append((glyph, point))
        return [*grown, *self._attend(self._moving[-1:])] if self._attends else grown

    def _enter(self, layer: Layer, made: list[GlyphRenderer]) -> list[GlyphRenderer]:
        """New glyphs belong to their series' entry in the legend, whose click hides them all.

        **Returns:** what the legend shows of them.
        """
        if layer.key not in self._entries:
            self._entries[layer.key] = LegendItem(label=value(layer.label), renderers=[])
        entry, samples = self._entries[layer.key], []
        if layer.kind not in TEXTS:
            samples = [new_sample(self._figure, glyph) for glyph in made]
            if not entry.renderers:
                samples[0].on_change("visible", partial(self._turned, layer.key))
            entry.renderers = [*entry.renderers, *samples]
        for glyph in (*made, *entry.renderers):
            glyph.visible = not covers(self._hidden, layer.key)
            glyph.tags = [layer.key]
        return samples

    def _turned(self, key: str, attr: str, old: bool, visible: bool) -> None:
        """The user clicked on a series' entry, and the browser hid what it names."""
        if visible == covers(self._hidden, key):
            self.hide(turned(self._hidden, key, not visible))
            if self._hide is not None:
                self._hide(key, not visible)

    def _entitle(self, drawn) -> bool:
        """Names what is drawn. **Returns:** whether something left the legend."""
        labels = {layer.key: layer.label for layer in drawn}
        for key, text in labels.items():
            if self._entries[key].label.value != text:
                self._entries[key].label = value(text)
                for name, glyph in self._glyphs.items():
                    if name[0] == key:
                        glyph.name = text
        entries = [self._entries[key] for key in labels]
        before = self._legend.items
        if before != entries:
            self._legend.items = entries
        return not {id(entry) for entry in before} <= {id(entry) for entry in entries}
