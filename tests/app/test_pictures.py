"""What is drawn on a page, and what is exported, is what was computed."""

import asyncio
import dataclasses
import io
import os
import subprocess
import sys
from xml.etree import ElementTree

import holoviews as hv
import numpy as np
import pymupdf
import pytest
from bokeh.events import Tap
from matplotlib.colors import to_hex

import ees
from app import export, outlines
from app.figure import element, heights, layers
from app.layout import Explorer, explore
from app.live import LivePlot
from app.play import Stage
from app.study import Study
from app.symbols import label, plain
from app.table import table
from app.theme import style
from app.views import PAGES
from ees.questions import VIEWS
from ees.results import Axis, Plot, Region, Series


PARTS = [(view, part) for view, parts in VIEWS.items() for part in parts]


@pytest.fixture(scope="module")
def plot():
    schemes = ("EES25", "RK4", "ReversibleHeun")
    return ees.run(ees.Experiment(steps=45, schemes=schemes)).plots[0]


def test_the_private_switch_of_panel_that_the_app_turns_off_is_still_there():
    from panel.reactive import Syncable

    assert Syncable._debounce == 0
    assert isinstance(Syncable.__dict__["_debounce"], int)


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
    assert len(live._entries["ReversibleHeun"].renderers) == 4


def test_hiding_a_series_is_told_and_holds_for_glyphs_that_come_later(plot):
    told = []
    live = LivePlot(
        VIEWS["paths"]["time"].blanks[0], hide=lambda key, hidden: told.append((key, hidden))
    )
    live.hide(frozenset({"RK4"}))
    live.draw(plot)
    assert not any(glyph.visible for glyph in live._entries["RK4"].renderers)
    assert told == []
    # What BokehJS does when a legend's entry is clicked.
    for glyph in live._entries["EES25"].renderers:
        glyph.visible = False
    for glyph in live._entries["RK4"].renderers:
        glyph.visible = True
    assert told == [("EES25", True), ("RK4", False)]


def test_time_runs_through_curves_and_not_through_lines_that_hold_at_all_times():
    stage = Stage()
    t = np.linspace(0.0, 1.0, 5)
    series = (Series("RK4", "RK4", t, t), Series("floor", "floor", t[[0, -1]], np.ones(2)))
    blank = Plot("k", "", Axis("time", "t"), Axis("y", "y"), ())
    live = LivePlot(blank, stage=stage)
    live.draw(dataclasses.replace(blank, series=series))
    filters = {name: glyph.view.filter for name, glyph in live._glyphs.items()}
    assert filters["RK4", "curve"] is stage.past and filters["RK4", "moment"] is stage.here
    assert ("floor", "moment") not in filters and filters["floor", "curve"] is not stage.past
    assert stage.mark in live._figure.center
    # A path in a plane carries its times along.
    plane = dataclasses.replace(blank, x=Axis("x", "x"))
    orbit = LivePlot(plane, stage=stage)
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


def test_a_script_can_be_had_before_the_first_picture():
    explorer = Explorer(Study(experiment=ees.Experiment(model="kepler")))
    panel = explorer.pages["paths"]._panels["paths"]
    assert 'model": "kepler"' in asyncio.run(_file(panel, "Python")).decode()
    assert asyncio.run(_file(panel, "CSV")) == b"series,time [1],solution [1]\n"


async def _file(panel, label):
    (button,) = (b for b in panel.parts[2] if b.label == label)
    return (await button.callback()).getvalue()


def test_a_caption_follows_the_plot_and_is_its_title_where_there_is_none(plot):
    panel = Explorer(Study()).pages["paths"]._panels["paths"]
    panel.draw(ees.Experiment(), dataclasses.replace(plot, caption="1 < 2"))
    assert panel.caption.object == '<p aria-live="polite">1 &lt; 2</p>'
    panel.draw(ees.Experiment(), dataclasses.replace(plot, caption=""))
    assert plot.title in panel.caption.object
    assert not panel.table.visible


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
    for level, x, y in zip((1.0, 0.5, 0.25), fill.x, fill.y):
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
    assert kinds == {"fill", "curve", "dots"}


def test_values_that_are_infinite_or_unknown_leave_the_boundary_in_its_place(plane):
    ring = plane.regions[0]
    values = np.where(ring.values > 100, np.inf, ring.values)
    values[:5] = np.nan
    x, y = outlines.inside(dataclasses.replace(ring, values=values), 1.0)
    whole, _ = _area(*outlines.inside(ring, 1.0))
    assert _area(x, y)[0] == pytest.approx(whole, rel=1e-6)
    nowhere = dataclasses.replace(ring, values=ring.values + 2)
    assert all(len(part) == 0 for part in outlines.inside(nowhere, 1.0))


def test_bands_and_bars_cover_what_they_stand_for():
    x = np.array([0.0, 1.0, 2.0, 4.0])
    area, (ring,) = _area(*outlines.between(x, x - 1.0, np.array([1.0, 1.0, np.nan, 5.0])))
    assert area == pytest.approx(1.5 + 3 * 1.5) and not ring[2]
    area, (ring,) = _area(*outlines.bars(np.array([1.0, 2.0, 3.0]), np.array([2.0, 5.0, 1.0])))
    assert area == pytest.approx(8.0) and not ring[2]
    assert (ring[0].min(), ring[0].max()) == (0.5, 3.5)
    assert all(len(part) == 0 for part in outlines.bars(np.zeros(0), np.zeros(0)))


def test_a_live_plane_shows_its_areas_and_keeps_one_scale_for_both_axes(plane):
    live = LivePlot(dataclasses.replace(plane, series=(), regions=()))
    live.draw(plane)
    kinds = {name: type(renderer.glyph).__name__ for name, renderer in live._glyphs.items()}
    assert kinds == {
        ("EES25", "fill"): "Patches",
        ("RK4", "fill"): "Patches",
        ("EES25", "curve"): "Line",
        ("EES25", "contours"): "Line",
        ("EES25", "value"): "Text",
        ("RK4", "curve"): "Line",
        ("Heun", "dots"): "Scatter",
    }
    assert live._figure.tags == [-4.0, 4.0, -3.0, 3.0]
    assert [entry.label.value for entry in live._legend.items] == ["ring", "band", "dots"]
    live.draw(dataclasses.replace(plane, regions=(), range=(-1.0, 1.0)))
    assert live._figure.tags == [-1.0, 1.0, -3.0, 3.0]
    assert len(live._glyphs["EES25", "fill"].data_source.data["x"]) == 0


def test_a_click_on_a_live_plot_says_where(plane):
    heard = []
    live = LivePlot(plane, tapped=lambda *point: heard.append(point))
    live._figure._trigger_event(Tap(live._figure, x=1.5, y=-0.5))
    assert heard == [(plane, 1.5, -0.5)]


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_an_element_has_areas_with_holes_in_both_backends(plane, backend):
    whole = element(plane)
    ring, band = [one for one in whole if isinstance(one, hv.Polygons)]
    assert [len(holes) for (holes,) in ring.holes()] == [1] * 3
    assert [len(holes) for (holes,) in band.holes()] == [0]
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


@pytest.mark.parametrize("view, part", PARTS)
@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_every_plot_of_every_page_prints_at_the_exact_width_and_to_the_same_bytes(view, part, kind):
    schemes = "EES25", "ReversibleHeun"
    report = ees.run(ees.Experiment(view=view, part=part, model="kepler", schemes=schemes))
    for shown in report.plots:
        file = export.figure(shown, kind, 140)
        assert export.figure(shown, kind, 140) == file
        if kind == "pdf":
            (sheet,) = pymupdf.open(stream=file)
            assert sheet.rect.width == pytest.approx(140 / 25.4 * 72, abs=0.01)
            assert all(font[2] != "Type3" for font in sheet.get_fonts())
            text = sheet.get_text()
            labels = [one.label for one in (*shown.series, *shown.regions)]
            assert shown.x.label in text and all(label in text for label in labels)
        elif kind == "svg":
            width = ElementTree.parse(io.BytesIO(file)).getroot().get("width")
            assert float(width.removesuffix("pt")) == pytest.approx(140 / 25.4 * 72, abs=0.01)
        else:
            assert pymupdf.Pixmap(file).width == pytest.approx(140 / 25.4 * 600, abs=1)


def test_a_plot_without_a_finite_point_prints_and_shows_all_the_same():
    # No gradient was finite: what is left is the step size that the user chose.
    nothing = VIEWS["gradients"]["error"].blanks[1]
    assert export.figure(nothing, "pdf").startswith(b"%PDF")
    assert [curve.label for curve in element(nothing)] == ["chosen h"]


def test_another_kind_of_file_is_refused_by_name(plot):
    with pytest.raises(ValueError, match="kind='eps': allowed are pdf, svg, png"):
        export.figure(plot, "eps")


# A cheap part of each kind: curves along time, curves of two passes, areas.
@pytest.mark.parametrize(
    "view, part", [("paths", "time"), ("reversal", "passes"), ("stability", "mean_square")]
)
def test_the_exported_script_computes_the_same_data_with_ees_alone(view, part, tmp_path):
    experiment = ees.Experiment(view=view, part=part, model="kepler", schemes=("EES25",))
    shown = ees.run(experiment).plots[-1]
    (tmp_path / "script.py").write_text(export.script(experiment, shown))
    # Compiled as the tests are (tests/conftest.py), or the last bits differ.
    alike = {
        "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={**os.environ, **alike},
    )
    assert (tmp_path / f"{shown.key}.csv").read_text() == shown.to_csv()


def test_every_part_of_every_question_has_its_texts():
    assert {v: list(parts) for v, parts in VIEWS.items()} == {
        name: list(view.parts) for name, view in PAGES.items()
    }


@pytest.mark.parametrize("name", ees.MODELS)
def test_symbols_are_plain_text_in_widgets(name):
    model = ees.MODELS[name]()
    texts = [*map(plain, model.components), *map(label, model.parameters)]
    assert all(text.strip() and not set(text) & set("\\{}_$") for text in texts)
    assert len(set(texts)) == len(texts)


def test_controls_follow_the_study_and_the_study_follows_them(monkeypatch):
    # Outside of a server nobody runs what a change would start.
    monkeypatch.setattr(Explorer, "refresh", lambda self: None)
    study = Study()
    explorer = Explorer(study)
    controls = explorer.controls
    study.change(model="stochastic_lorenz", steps=720)
    assert controls.model.value == "stochastic_lorenz" and controls.steps.value == 720
    assert list(controls.component.options) == ["x", "y", "z"]
    controls.component.value = 2
    assert study.experiment.component == 2
    sliders = list(controls._parameters._column)
    assert [slider.label for slider in sliders][0] == "σ (1/time)"
    sliders[0].value = 11.0
    assert study.experiment.parameters["sigma"] == 11.0
    # Sliders that are in a user's hand are not replaced.
    assert list(controls._parameters._column) == sliders
    controls.horizon.value = "nonsense"
    assert controls.horizon.value == "5" and "horizon='nonsense'" in study.refused[0]
    controls.schemes.value = []
    assert study.experiment.schemes and set(controls.schemes.value) == set(study.experiment.schemes)


def test_what_a_link_was_refused_for_is_still_said_when_its_page_is_built():
    study = Study()
    study.read("?view=stability&part=mean_square&c.section=4")
    (message,) = study.refused
    assert message.startswith("choices[section]=4: allowed is real, imaginary, diagonal, across")
    Explorer(study)
    assert study.refused == (message,) and study.experiment.part == "mean_square"


def test_explore_shows_the_computed_picture_at_once():
    explorer = explore(model="kepler", schemes=("EES25",))
    wanted = ees.run(ees.Experiment(model="kepler", schemes=("EES25",))).plots[0]
    assert explorer.pages["paths"]._panels["paths"].live.plot.to_csv() == wanted.to_csv()


def test_explore_refuses_what_an_experiment_refuses():
    with pytest.raises(ValueError, match="model='nobody'"):
        explore(model="nobody")
