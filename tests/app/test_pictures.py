"""What is drawn on a page, and what is exported, is what was computed."""

import io
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pymupdf
import pytest

import ees
from app import export
from app.controls import _label, _plain
from app.figure import element, layers
from app.layout import Explorer, explore
from app.live import LivePlot
from app.study import Study
from app.views import PAGES
from ees.questions import VIEWS


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


def test_a_zoom_stays_while_the_window_of_the_data_does(plot):
    live = LivePlot(VIEWS["paths"]["time"].blanks[0])
    live.draw(plot)
    live._figure.y_range.update(start=0.0, end=0.5)
    live.draw(ees.run(ees.Experiment(steps=48)).plots[0])
    assert (live._figure.y_range.start, live._figure.y_range.end) == (0.0, 0.5)
    live.draw(ees.run(ees.Experiment(steps=48, seed=9)).plots[0])
    assert live._figure.y_range.end > 0.5


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
            assert shown.x.label in text and all(s.label in text for s in shown.series)
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


@pytest.mark.parametrize("view, part", PARTS)
def test_the_exported_script_computes_the_same_data_with_ees_alone(view, part, tmp_path):
    experiment = ees.Experiment(view=view, part=part, model="kepler", schemes=("EES25",))
    shown = ees.run(experiment).plots[-1]
    (tmp_path / "script.py").write_text(export.script(experiment, shown))
    subprocess.run(
        [sys.executable, "-W", "error", "script.py"], cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / f"{shown.key}.csv").read_text() == shown.to_csv()


def test_every_part_of_every_question_has_its_texts():
    assert {v: list(parts) for v, parts in VIEWS.items()} == {
        name: list(view.parts) for name, view in PAGES.items()
    }


@pytest.mark.parametrize("name", ees.MODELS)
def test_symbols_are_plain_text_in_widgets(name):
    model = ees.MODELS[name]()
    texts = [*map(_plain, model.components), *map(_label, model.parameters)]
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


def test_explore_shows_the_computed_picture_at_once():
    explorer = explore(model="kepler", schemes=("EES25",))
    wanted = ees.run(ees.Experiment(model="kepler", schemes=("EES25",))).plots[0]
    assert explorer.pages["paths"]._live["paths"].plot.to_csv() == wanted.to_csv()


def test_explore_refuses_what_an_experiment_refuses():
    with pytest.raises(ValueError, match="model='nobody'"):
        explore(model="nobody")
