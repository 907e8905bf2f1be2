"""From a `Plot` to a picture: its layers, and one HoloViews element made of them.

A plot is flattened into layers, curves and points in a fixed order. The element draws them in a
notebook (by Bokeh) and in print (by Matplotlib); `app.live` draws the same layers on a page.
"""

import dataclasses
import itertools

import holoviews as hv
import numpy as np
from bokeh.themes import Theme

from app.outlines import apart, around, bars, between, boundary, highest, inside, rings
from app.theme import CURSOR, Style, style
from ees.results import Axis, Plot, Region, Series


hv.extension("bokeh", "matplotlib", logo=False)
# With software rendering, WebGL costs hundreds of milliseconds an update.
hv.renderer("bokeh").webgl = False
# HoloViews' own theme writes black titles, on dark pages too.
hv.renderer("bokeh").theme = Theme(json={})

HEIGHT = 420
FILL = 0.16  # opacity of an area; where it is shaded, areas lie on top of each other

# On the wire, and on any screen, 24 bits of position are enough.
_WIRE = np.float32
_TIME_OFF, _TIME_APART = 0.05, 0.06  # of the window's height
SIZES = {"markers": (6, 1), "dots": (8, 2), "cross": (14, 3)}  # and the width of strokes
AREAS = "fill", "band"
ROOM = "curve", "markers", "band"  # what a page has a place for before there are points
TEXTS = {"time": ("right", "middle"), "value": ("center", "top")}


# Shares of a region's level: areas below the first ones are shaded, the others have a line alone.
_DEEPER, _BEYOND = (0.25, 0.5), (2.0, 4.0)


@dataclasses.dataclass(frozen=True)
class Layer:
    """One glyph of a plot.

    - `kind`: a `"fill"`, areas on top of each other; a `"band"` around a curve; a `"curve"`; thin
      `"contours"`; `"markers"` on a curve or `"dots"` without one; a `"cross"` where it left and
      the `"time"` there; the `"value"` of a contour.
    - `x`, `y`: its points; parts of a curve are apart by NaN. Of a fill, one such array for each
      area, whose parts are closed rings: holes turn clockwise. Of a band, its low end.
    - `high`: the high end of a band.
    - `text`: what is written at each point.
    - `times`: of the points of a curve that is not drawn over time.
    """

    kind: str
    key: str
    label: str
    style: Style
    x: np.ndarray | list[np.ndarray]
    y: np.ndarray | list[np.ndarray]
    high: np.ndarray | None = None
    text: tuple[str, ...] = ()
    times: np.ndarray | None = None

    @property
    def columns(self) -> dict[str, np.ndarray | list[np.ndarray]]:
        """What the glyph's source holds."""
        if self.kind == "fill":
            return {
                "x": [area.astype(_WIRE) for area in self.x],
                "y": [area.astype(_WIRE) for area in self.y],
            }
        columns = {"x": self.x.astype(_WIRE), "y": self.y.astype(_WIRE)}
        if self.high is not None:
            columns["high"] = self.high.astype(_WIRE)
        if self.kind in TEXTS:
            columns["text"] = np.array(self.text, object)
        if self.times is not None:
            columns["t"] = self.times.astype(_WIRE)
        return columns


def layers(plot: Plot) -> list[Layer]:
    """A plot's glyphs from back to front: areas first, lines above them.

    A curve without points yet is one of them, so that a page has room for it from the start.
    """
    found = [layer for region in plot.regions for layer in _region(region, plot)]
    found += [layer for series in plot.series for layer in _series(series)]
    found.sort(key=lambda layer: layer.kind not in AREAS)
    if plot.cursor is not None:
        x, y = np.full(2, plot.cursor), np.array(heights(plot))
        found.append(Layer("curve", "cursor", "chosen h", CURSOR, x, y))
    return [one for one in found if len(one.x) or one.kind in ROOM] + _leaving(plot)


def _region(region: Region, plot: Plot) -> list[Layer]:
    named = region.key, region.label, style(region.key)
    deeper = _DEEPER if region.shaded else ()
    areas = [inside(region, region.level * depth) for depth in (*deeper, 1.0)]
    areas = [area for area in areas if len(area[0])]
    found = [
        Layer("fill", *named, [x for x, _ in areas], [y for _, y in areas]),
        Layer("curve", *named, *boundary(region, region.level)),
    ]
    if region.shaded:
        levels = [region.level * share for share in (*_DEEPER, *_BEYOND)]
        lines = [boundary(region, level) for level in levels]
        tops = [highest(line, span(plot), heights(plot)) for line in lines]
        seen = [i for i, top in enumerate(tops) if top is not None]
        if seen:
            points = np.array([tops[i] for i in seen]).T
            texts = tuple(f"{levels[i]:.4g}" for i in seen)
            contours = apart([np.stack(lines[i], axis=1) for i in seen])
            found += [
                Layer("contours", *named, *contours),
                Layer("value", *named, *points, text=texts),
            ]
    return found


def _series(series: Series) -> list[Layer]:
    named = series.key, series.label, style(series.key)
    if series.look == "bars":
        band = bars(series.x, series.y)
        return [Layer("band", *named, *band), Layer("curve", *named, *around(*band))]
    points = *named, series.x, series.y
    if series.look == "dots":
        return [Layer("dots", *points)]
    found = [Layer("curve", *points, times=series.times)]
    found += [Layer("markers", *points, times=series.times)] * series.marks
    if series.low is not None and series.high is not None:
        band = between(series.x, series.low, series.high)
        found.append(Layer("band", *named, *band))
    return found


def _leaving(plot: Plot) -> list[Layer]:
    found = []
    low, high = plot.window or (0.0, 1.0)
    leavers = [series for series in plot.series if series.left is not None]
    for above, series in enumerate(leavers):
        named = series.key, series.label, style(series.key)
        x, y = np.array(series.left).reshape(2, 1)
        found.append(Layer("cross", *named, x, y))
        # Schemes that leave together would write their times on top of each other.
        rise = (high - low) * (_TIME_OFF + _TIME_APART * above)
        y = np.where(y > (low + high) / 2, y - rise, y + rise)
        when = series.left[0] if series.times is None else series.times[-1]
        found.append(Layer("time", *named, x, y, text=(f"t = {when:.4g}",)))
    return found


def label(axis: Axis, open_: str = "$", close: str = "$") -> str:
    """An axis label: words, symbol, and the unit in parentheses."""
    unit = f" ({axis.unit})" if axis.unit else ""
    return f"{axis.label} {open_}{axis.symbol}{close}{unit}"


def element(plot: Plot) -> hv.Overlay:
    """A plot as one HoloViews element, with options for both backends."""
    drawn = [_glyph(layer) for layer in layers(plot) if len(layer.x)]
    # HoloViews renders no overlay of nothing, and no logarithmic axis without a number.
    drawn = drawn or [_unseen(span(plot)[0], heights(plot)[0])]
    both = {"logx": plot.x.log, "logy": plot.y.log, "xlim": span(plot), "ylim": heights(plot)}
    shape = {"data_aspect": 1, "frame_height": HEIGHT} if plot.square else {}
    sized = shape or {"responsive": True, "height": HEIGHT}
    return hv.Overlay(drawn).opts(
        hv.opts.Overlay(
            **both,
            xlabel=label(plot.x, "$$", "$$"),
            ylabel=label(plot.y, "$$", "$$"),
            title=plot.title,
            **sized,
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
            aspect="equal" if plot.square else "square",
            backend="matplotlib",
        ),
    )


def _unseen(x: float, y: float) -> hv.Scatter:
    clear = (hv.opts.Scatter(alpha=0, backend=backend) for backend in ("bokeh", "matplotlib"))
    return hv.Scatter([(x, y)], "x", "y").opts(*clear)


def _glyph(layer: Layer):
    look = layer.style
    if layer.kind == "fill":
        areas = [polygon for x, y in zip(layer.x, layer.y) for polygon in _polygons(x, y)]
        return _filled(hv.Polygons(areas, ["x", "y"]), hv.opts.Polygons, look)
    if layer.kind == "band":
        band = layer.x, layer.y, layer.high
        return _filled(hv.Area(band, "x", ["y", "high"]), hv.opts.Area, look)
    if layer.kind in ("curve", "contours"):
        thin = layer.kind == "contours"
        dash = (0, look.dash) if look.dash and not thin else "-"
        width = 1.0 if thin else look.width
        # What has no label is not in the legend.
        return hv.Curve((layer.x, layer.y), "x", "y", label="" if thin else layer.label).opts(
            hv.opts.Curve(
                color=look.colour,
                line_dash=list(look.dash) if look.dash and not thin else "solid",
                line_width=width,
                backend="bokeh",
            ),
            hv.opts.Curve(
                color=look.colour, linestyle=dash, linewidth=width * 0.45, backend="matplotlib"
            ),
        )
    if layer.kind in TEXTS:
        across, along = TEXTS[layer.kind]
        return hv.Labels((layer.x, layer.y, layer.columns["text"]), ["x", "y"], "text").opts(
            hv.opts.Labels(
                text_color=look.colour,
                text_font_size="9pt",
                text_align=across,
                text_baseline=along,
                backend="bokeh",
            ),
            hv.opts.Labels(
                color=look.colour,
                size=6,
                horizontalalignment=across,
                verticalalignment={"middle": "center"}.get(along, along),
                backend="matplotlib",
            ),
        )
    cross = layer.kind == "cross"
    size, stroke = SIZES[layer.kind]
    return hv.Scatter((layer.x, layer.y), "x", "y", label=layer.label).opts(
        hv.opts.Scatter(
            color=look.colour,
            marker="x" if cross else look.marker[0],
            size=size,
            line_width=stroke,
            backend="bokeh",
        ),
        hv.opts.Scatter(
            color=look.colour,
            marker="X" if cross else look.marker[1],
            s=size**2 / 6,
            linewidth=stroke / 2,
            backend="matplotlib",
        ),
    )


def _filled(area, options, look: Style):
    # Of Matplotlib's colours, whichever is left to its default, a colour cycle, wins.
    return area.opts(
        options(color=look.colour, alpha=FILL, line_alpha=0, backend="bokeh"),
        options(
            color=look.colour,
            facecolor=look.colour,
            edgecolor="none",
            alpha=FILL,
            linewidth=0,
            backend="matplotlib",
        ),
    )


def _polygons(x: np.ndarray, y: np.ndarray) -> list[dict]:
    """An area as HoloViews takes it: each outer ring with the holes that follow it."""
    found: list[dict] = []
    for ring_x, ring_y, hole in rings(x, y):
        if hole and found:
            found[-1]["holes"][0].append(np.stack([ring_x, ring_y], axis=1))
        else:
            found.append({"x": ring_x, "y": ring_y, "holes": [[]]})
    return found


def span(plot: Plot) -> tuple[float, float]:
    """The limits of a plot's x axis."""
    if plot.range is not None:
        return plot.range
    cursor = [] if plot.cursor is None else [plot.cursor]
    low, high = _extent([cursor, *(s.x for s in plot.series), *(r.x for r in plot.regions)], plot.x)
    if plot.x.log:
        return low / 1.1, high * 1.1
    return low, high + 0.01 * (high - low)


def heights(plot: Plot) -> tuple[float, float]:
    """The limits of a plot's y axis."""
    if plot.window is not None:
        return plot.window
    ends = itertools.chain.from_iterable((s.y, s.low, s.high) for s in plot.series)
    ground = [[0.0]] if any(s.look == "bars" for s in plot.series) else []
    drawn = [*ground, *(end for end in ends if end is not None), *(r.y for r in plot.regions)]
    low, high = _extent(drawn, plot.y)
    if plot.y.log:
        return low / 1.3, high * 1.3
    margin = 0.05 * (high - low)
    return low - margin * (low != 0), high + margin


def _extent(arrays: list, axis: Axis) -> tuple[float, float]:
    values = np.concatenate([np.zeros(0), *arrays])
    values = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    if not len(values):
        return 0.1, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low or axis.log else (low, high + 1.0)
