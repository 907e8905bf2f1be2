"""What is exported is what was computed, in print and as data."""

import dataclasses
import io
import os
import subprocess
import sys
from xml.etree import ElementTree

import holoviews as hv
import pymupdf
import pytest

import ees
from app import export
from app.figure import element
from app.theme import style
from ees.questions import VIEWS


PARTS = [(view, part) for view, parts in VIEWS.items() for part in parts]


@pytest.mark.parametrize("view, part", PARTS)
@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_every_plot_of_every_page_prints_at_the_exact_width_and_to_the_same_bytes(view, part, kind):
    schemes = "EES25", "ReversibleHeun"
    report = ees.run(ees.Experiment(view=view, part=part, model="kepler", schemes=schemes))
    for shown in report.plots:
        # The style of a stranger, which would be that of the next stranger too.
        assert style("somebody new") not in [style(s.key) for s in (*shown.series, *shown.regions)]
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
    nothing = dataclasses.replace(VIEWS["gradients"]["error"].blanks[1], cursor=0.1)
    assert export.figure(nothing, "pdf").startswith(b"%PDF")
    assert [curve.label for curve in element(nothing)] == ["chosen h"]


@pytest.mark.parametrize("view, part", [("paths", "time"), ("gradients", "error")])
def test_a_plot_of_which_nothing_is_known_yet_prints_its_axes(view, part):
    # What a user who cancels at once has.
    for blank in VIEWS[view][part].blanks:
        assert export.figure(blank, "pdf").startswith(b"%PDF")
        assert blank.x.label in export.figure(blank, "svg").decode()
        assert hv.render(element(blank)).xaxis.axis_label


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
