"""What is drawn is what was computed."""

import dataclasses
from xml.etree import ElementTree

import holoviews as hv
import numpy as np
import pytest
from bokeh.events import Tap
from bokeh.models import HoverTool
from matplotlib.colors import to_hex

import ees
from app import export, outlines
from app.figure import element, heights, layers
from app.live import LivePlot
from app.play import Stage
from app.table import table
from app.theme import style
from ees.questions import VIEWS
from ees.results import Axis, Plot, Region, Series


def test_a_path_that_left_is_marked_with_a_cross_and_its_time(plot):
    (gone,) = [series for series in plot.series if series.left is not None]
    (cross,) = [layer for layer in layers(plot) if layer.kind == "cross"]
    (time,) = [layer for layer in layers(plot) if layer.kind == "time"]
    assert gone.key == cross.key == time.key == "ReversibleHeun"
    assert time.columns["text"].tolist() == [f"t = {gone.left[0]:.4g}"]
    low, high = plot.window
    assert low < cross.y[0] < high and low < time.y[0] < high


def test_a_live_plot_draws_every_series_and_forgets_those_that_go(plot):
    live = LivePlot(VIEWS["paths"]["time"].blanks[0])
    live.draw(plot)

    def sources(live):
        return {
            name: glyph.data_source.data
            for name, glyph in live._glyphs.items()
            if len(glyph.data_source.data["x"])
        }

    for series in plot.series:
        data = sources(live)[series.key, "curve"]
        np.testing.assert_allclose(data["y"], series.y, rtol=1e-6)
    assert [entry.label.value for entry in live._legend.items] == [s.label for s in plot.series]
    fewer = ees.run(ees.Experiment(steps=504, schemes=("EES25",))).plots[0]
    live.draw(fewer)
    assert {key for key, _ in sources(live)} == {"reference", "EES25"}
    assert len(live._legend.items) == 2


def test_what_the_user_hid_stays_hidden_when_new_numbers_come(plot):
    live = LivePlot(VIEWS["paths"]["time"].blanks[0])
    live.draw(ees.run(ees.Experiment(steps=504)).plots[0])
    for glyph in live._entries["ReversibleHeun"].renderers:
        glyph.visible = False
    live.draw(plot)
    assert not any(glyph.visible for glyph in live._entries["ReversibleHeun"].renderers)
    drawn = [glyph for (key, _), glyph in live._glyphs.items() if key == "ReversibleHeun"]
    assert len(drawn) == 4 and not any(glyph.visible for glyph in drawn)


def test_hiding_a_series_is_told_and_holds_for_glyphs_that_come_later(plot):
    told = []
    live = LivePlot(
        VIEWS["paths"]["time"].blanks[0], hide=lambda key, hidden: told.append((key, hidden))
    )
    live.hide(frozenset({"RK4"}))
    live.draw(plot)
    assert not any(glyph.visible for glyph in live._entries["RK4"].renderers)
    assert not live._glyphs["RK4", "curve"].visible
    assert told == []
    # What BokehJS does when a legend's entry is clicked.
    for glyph in live._entries["EES25"].renderers:
        glyph.visible = False
    for glyph in live._entries["RK4"].renderers:
        glyph.visible = True
    assert told == [("EES25", True), ("RK4", False)]
    assert live._glyphs["RK4", "curve"].visible and not live._glyphs["EES25", "curve"].visible


def test_time_runs_through_curves_and_not_through_lines_that_hold_at_all_times():
    stage = Stage()
    t = np.linspace(0.0, 1.0, 5)
    series = (Series("RK4", "RK4", t, t), Series("floor", "floor", t[[0, -1]], np.ones(2)))
    blank = Plot("k", "", Axis("time", "t"), Axis("y", "y"), ())
    live = LivePlot(blank, stage=stage)
    live.draw(dataclasses.replace(blank, series=series))

    def filters():
        drawn = {name: live._glyphs[name] for name in live._glyphs}
        return {n: g.view.filter for n, g in drawn.items() if g in live._figure.renderers}

    # Nothing waits for a moment that nobody has asked for.
    assert not {stage.past, stage.here} & set(filters().values())
    assert ("RK4", "moment") not in filters()
    live.attend()
    live.attend()
    assert len(live._figure.renderers) == len(set(live._figure.renderers))
    # What comes later attends from the first.
    more = (*series, Series("Euler", "Euler", t, t))
    live.draw(dataclasses.replace(blank, series=more))
    filters = filters()
    for scheme in ("RK4", "Euler"):
        assert filters[scheme, "curve"] is stage.past and filters[scheme, "moment"] is stage.here
    assert ("floor", "moment") not in filters and filters["floor", "curve"] is not stage.past
    assert stage.mark in live._figure.center
    # A path in a plane carries its times along.
    plane = dataclasses.replace(blank, x=Axis("x", "x"))
    orbit = LivePlot(plane, stage=stage)
    orbit.attend()
    orbit.draw(dataclasses.replace(plane, series=(Series("RK4", "RK4", t, -t, times=2 * t),)))
    source = orbit._glyphs["RK4", "curve"].data_source
    np.testing.assert_allclose(source.data["t"], 2 * t)
    assert orbit._glyphs["RK4", "moment"].data_source is source
    assert stage.mark not in orbit._figure.center


def test_a_table_thins_long_curves_keeps_their_ends_and_escapes_their_names():
    x = np.arange(1001.0)
    long, short = Series("RK4", "<b>RK4", x, 2 * x), Series("floor", "floor", x[:2], x[:2] * np.nan)
    shown = table(Plot("k", "Title & more", Axis("time", "t", "s"), Axis("y", "y"), (long, short)))
    document = ElementTree.fromstring(shown)
    head = [cell.text for cell in document.find("thead").iter("th")]
    assert head == ["series", "time [s]", "y [1]"]
    rows = [[cell.text for cell in row] for row in document.find("tbody")]
    assert len(rows) < 300
    assert rows[0] == ["<b>RK4", "0", "0"]
    assert ["<b>RK4", "1000", "2000"] in rows
    assert rows[-1] == ["floor", "1", None]
    assert f"{len(rows)} of 1003 rows" in document.find("caption").text


def test_a_zoom_stays_while_the_window_of_the_data_does(plot):
    live = LivePlot(VIEWS["paths"]["time"].blanks[0])
    live.draw(plot)
    live._figure.y_range.update(start=0.0, end=0.5)
    live.draw(ees.run(ees.Experiment(steps=48)).plots[0])
    assert (live._figure.y_range.start, live._figure.y_range.end) == (0.0, 0.5)
    live.draw(ees.run(ees.Experiment(steps=48, seed=9)).plots[0])
    assert live._figure.y_range.end > 0.5


@pytest.fixture(scope="module")
def plane():
    """A band, dots, bars, and an annulus, 1 < r < 2, whose values grow away from r = 1.5."""
    x = np.linspace(-3.0, 3.0, 121)
    radius = np.hypot(*np.meshgrid(x, x))
    values = 1.0 + 16 * (radius - 1.5) ** 2 - 4.0
    ring = Region("EES25", "ring", Axis("growth", "g"), x, x, np.exp(values), shaded=True)
    points = np.array([-2.0, 0.0, 1.0])
    band = Series("RK4", "band", points, points, low=points - 0.5, high=points + 1.0)
    dots = Series("Heun", "dots", points, 0 * points, look="dots")
    return Plot(
        key="plane",
        title="plane",
        x=Axis("real part", "x"),
        y=Axis("imaginary part", "y"),
        series=(band, dots),
        regions=(ring,),
        window=(-3.0, 3.0),
        range=(-4.0, 4.0),
        square=True,
    )


def _area(x, y):
    rings = list(outlines.rings(x, y))
    return sum((a @ np.roll(b, -1) - b @ np.roll(a, -1)) / 2 for a, b, _ in rings), rings


def test_a_region_is_filled_where_its_values_are_below_the_level_and_its_hole_is_not(plane):
    fill, *_ = layers(plane)
    assert (fill.kind, fill.key) == ("fill", "EES25")
    # exp(16 d^2 - 3) < level: an annulus around 1.5 for each level, the deeper ones inside.
    for level, x, y in zip((0.25, 0.5, 1.0), fill.x, fill.y):
        half = np.sqrt(3 + np.log(level)) / 4
        area, rings = _area(x, y)
        assert sorted(hole for *_, hole in rings) == [False, True]
        assert area == pytest.approx(np.pi * 6 * half, rel=0.02)
    (line,) = [one for one in layers(plane) if one.kind == "curve" and one.key == "EES25"]
    off = np.abs(np.hypot(line.x, line.y) - 1.5)
    np.testing.assert_allclose(off[np.isfinite(off)], np.sqrt(3) / 4, atol=5e-3)


def test_contours_of_a_shaded_region_say_their_values(plane):
    (texts,) = [one for one in layers(plane) if one.kind == "value"]
    assert texts.text == ("0.25", "0.5", "2", "4")
    for text, x, y in zip(texts.text, texts.x, texts.y):
        value = np.exp(16 * (np.hypot(x, y) - 1.5) ** 2 - 3)
        assert value == pytest.approx(float(text), rel=0.15)
    plain = dataclasses.replace(plane.regions[0], shaded=False)
    kinds = {one.kind for one in layers(dataclasses.replace(plane, regions=(plain,)))}
    assert kinds == {"fill", "band", "curve", "dots"}


def test_values_that_are_infinite_or_unknown_leave_the_boundary_in_its_place(plane):
    ring = plane.regions[0]
    values = np.where(ring.values > 100, np.inf, ring.values)
    values[:5] = np.nan
    x, y = outlines.inside(dataclasses.replace(ring, values=values), 1.0)
    whole, _ = _area(*outlines.inside(ring, 1.0))
    assert _area(x, y)[0] == pytest.approx(whole, rel=1e-6)
    nowhere = dataclasses.replace(ring, values=ring.values + 2)
    assert all(len(part) == 0 for part in outlines.inside(nowhere, 1.0))


def _pointed(live):
    """What each tool reads at the pointer."""
    tools = live._figure.select({"type": HoverTool})
    return {tuple(tool.renderers): tool for tool in tools if tool.renderers}


def test_bands_and_bars_cover_what_they_stand_for():
    x = np.array([0.0, 1.0, 2.0, 4.0])
    band = outlines.between(x, x - 1.0, np.array([1.0, 1.0, np.nan, 5.0]))
    area, (ring,) = _area(*outlines.around(*band))
    assert area == pytest.approx(1.5 + 3 * 1.5) and not ring[2]
    band = outlines.bars(np.array([1.0, 2.0, 3.0]), np.array([2.0, 5.0, 1.0]))
    area, (ring,) = _area(*outlines.around(*band))
    assert area == pytest.approx(8.0) and not ring[2]
    assert (ring[0].min(), ring[0].max()) == (0.5, 3.5)
    assert all(len(part) == 0 for part in outlines.bars(np.zeros(0), np.zeros(0)))


def test_a_band_says_its_ends_and_ends_at_the_moment_while_time_runs():
    t = np.array([0.0, 1.0, 2.0])
    fan = Series("EES25", "fan", t, t, low=t - 1, high=t + 2)
    plot = Plot("fan", "", Axis("time", "t"), Axis("solution", "y"), (fan,))
    stage = Stage()
    live = LivePlot(dataclasses.replace(plot, series=()), stage=stage)
    live.draw(plot)
    live.attend()
    band = live._glyphs["EES25", "band"]
    assert type(band.glyph).__name__ == "VArea" and band.view.filter is stage.past
    np.testing.assert_array_equal(band.data_source.data["high"], t + 2)
    pointed = _pointed(live)
    assert pointed.keys() == {(live._glyphs["EES25", "curve"],), (band,)}
    assert pointed[(band,)].limit == 1
    drawn = hv.renderer("matplotlib").get_plot(element(plot)).state
    (area,) = drawn.axes[0].collections
    assert to_hex(area.get_facecolor()[0]) == style("EES25").colour
    low, high = np.sort(area.get_paths()[0].vertices[:, 1])[[0, -1]]
    assert (low, high) == (-1.0, 4.0)


def test_a_live_plane_shows_its_areas_and_keeps_one_scale_for_both_axes(plane):
    live = LivePlot(dataclasses.replace(plane, series=(), regions=()))
    live.draw(plane)
    kinds = {name: type(renderer.glyph).__name__ for name, renderer in live._glyphs.items()}
    assert kinds == {
        ("EES25", "fill"): "Patches",
        ("RK4", "band"): "VArea",
        ("EES25", "curve"): "Line",
        ("EES25", "contours"): "Line",
        ("EES25", "value"): "Text",
        ("RK4", "curve"): "Line",
        ("Heun", "dots"): "Scatter",
    }
    assert _pointed(live)[(live._glyphs["EES25", "fill"],)].limit == 1
    read, (ring,) = live._fields.data, plane.regions
    assert list(read["said"]) == [f"ring: {ring.quantity.label}"]
    at, along = np.abs(ring.x - 1.5).argmin() // 2, np.abs(ring.y).argmin() // 2
    here = read["values"][0][along, at], read["x"][0][at], read["y"][0][along]
    assert here == pytest.approx(
        (ring.values[2 * along, 2 * at], ring.x[2 * at], ring.y[2 * along]), rel=1e-6
    )
    assert live._figure.tags == [-4.0, 4.0, -3.0, 3.0]
    assert [entry.label.value for entry in live._legend.items] == ["ring", "band", "dots"]
    live.draw(dataclasses.replace(plane, regions=(), range=(-1.0, 1.0)))
    assert live._figure.tags == [-1.0, 1.0, -3.0, 3.0]
    assert len(live._glyphs["EES25", "fill"].data_source.data["x"]) == 0
    assert len(live._fields.data["key"]) == 0


def test_a_click_on_a_live_plot_says_where(plane):
    heard = []
    live = LivePlot(plane, tapped=lambda *point: heard.append(point))
    live._figure._trigger_event(Tap(live._figure, x=1.5, y=-0.5))
    assert heard == [(plane, 1.5, -0.5)]


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_an_element_has_areas_with_holes_in_both_backends(plane, backend):
    whole = element(plane)
    (ring,) = [one for one in whole if isinstance(one, hv.Polygons)]
    assert [len(holes) for (holes,) in ring.holes()] == [1] * 3
    (band,) = [one for one in whole if isinstance(one, hv.Area)]
    assert (band.dimension_values("high") > band.dimension_values("y")).all()
    drawn = hv.renderer(backend).get_plot(whole).state
    if backend == "matplotlib":
        colours = [to_hex(fill.get_facecolor()[0]) for fill in drawn.axes[0].collections[:2]]
        assert colours == [style("EES25").colour, style("RK4").colour]
        assert export.figure(plane, "pdf").startswith(b"%PDF")


def test_without_a_window_the_axes_follow_the_data():
    x = np.array([1.0, 2.0, 3.0])
    hist = Series("EES25", "bars", x, np.array([2.0, 5.0, 1.0]), look="bars")
    plot = Plot("bars", "", Axis("value", "y"), Axis("density", "p"), (hist,))
    assert heights(plot) == pytest.approx((0.0, 5.25))
    live = LivePlot(dataclasses.replace(plot, series=()))
    live.draw(plot)
    assert live._figure.y_range.end == pytest.approx(5.25)
    log = dataclasses.replace(plot, y=Axis("error", "e", log=True), series=(
        Series("EES25", "line", x, np.array([1e-3, 0.0, 1e-1])),))  # fmt: skip
    assert heights(log) == pytest.approx((1e-3 / 1.3, 0.13))
