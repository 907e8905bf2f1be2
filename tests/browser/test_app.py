"""What a lecturer does with the app, done in a real browser."""

import csv
import io
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pymupdf
import pytest

import ees


pytestmark = pytest.mark.browser

MILLIMETRE = 72 / 25.4  # in points


def _points(plot) -> dict[str, np.ndarray]:
    return {s.label: np.stack([s.x, s.y], axis=1) for s in plot.series}


def test_the_first_picture_is_the_computed_one_with_the_equation_beside_it(app):
    page = app()
    curves = page.settled()
    wanted = _points(ees.run(ees.Experiment()).plots[0])
    assert list(curves) == list(wanted)
    for label, points in wanted.items():
        # Positions travel to the screen in 24 bits.
        np.testing.assert_allclose(curves[label], points, rtol=1e-6, atol=1e-6)
    assert page.page.locator("mjx-container").count() > 0
    assert page.page.get_by_text("computes on the CPU").is_visible()


def test_the_module_of_the_widgets_is_read_once_and_before_the_page_asks_for_it(app):
    page = app()
    read = """() => performance.getEntriesByType("resource")
      .filter((entry) => entry.name.includes("panel-material-ui.bundle.js"))
      .map((entry) => entry.startTime)"""
    ready = "() => performance.getEntriesByType('navigation')[0].domContentLoadedEventStart"
    (begun,) = page.page.evaluate(read)
    assert begun < page.page.evaluate(ready)


def test_dragging_the_step_size_changes_the_picture_and_marks_the_blow_up(app):
    page = app("?steps=504")
    before = page.settled()
    assert "No scheme left the window" in page.messages()
    thumb = page.slider("Step size h")
    box, rail = thumb.bounding_box(), page.page.locator(".MuiSlider-root").first.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.page.mouse.down()
    end = rail["x"] + 0.75 * rail["width"]
    page.page.mouse.move(end, middle, steps=15)
    page.page.mouse.up()
    page.until(lambda: "Reversible Heun left the window" in page.messages())
    after = page.settled()
    assert len(after["EES(2,5)"]) < len(before["EES(2,5)"])
    # The reference, and with it the Brownian path, is the same to the bit.
    assert after["exact solution"] == before["exact solution"]
    (figure,) = page.figures()
    (time,) = figure["times"]
    said = re.search(
        r"Reversible Heun left the window at (t = [\d.]+), with h = [\d.]+", page.messages()
    )
    assert time == said[1]
    left = float(time.removeprefix("t = "))
    assert after["Reversible Heun"][-1][0] == pytest.approx(left, rel=1e-3)
    assert after["EES(2,5)"][-1][0] == pytest.approx(10.0)
    # The scale stays with the reference.
    low, high = figure["y"]
    assert -4 < low < high < 4


def test_a_sweep_of_the_step_size_compiles_nothing(app, server):
    page = app("?steps=504&seed=3")
    page.settled()
    page.press("Step size h", "ArrowRight", 3)
    page.settled()
    before = server.compilations
    assert before > 0
    page.press("Step size h", "Home")
    page.press("Step size h", "ArrowRight", 30)
    page.press("Step size h", "End")
    page.press("Step size h", "ArrowLeft", 15)
    page.settled()
    assert server.compilations == before


def test_every_page_answers(app):
    page = app("?model=kepler&schemes=EES25,EES27,ReversibleHeun&steps=96")
    titles = set()
    for title in ("Reversal", "Gradients", "Paths"):
        page.turn_to(title)
        if title != "Paths":
            page.computed()

        def complete():
            figures = page.figures()
            # A curve for each scheme, or more.
            curves = [sum(len(c) > 3 for c in f["curves"].values()) for f in figures]
            return figures and min(curves) >= 3 and figures

        titles |= {figure["title"] for figure in page.until(complete)}
        page.until(lambda title=title: f"view={title.lower()}" in page.address)
    assert len(titles) > 3 and all("Kepler" in title for title in titles)


def _download(page, name, number=0):
    button = page.page.get_by_role("button", name=name, exact=True).nth(number)
    with page.page.expect_download() as waiting:
        button.click()
    download = waiting.value
    return download.suggested_filename, download.path().read_bytes()


def test_each_export_downloads_and_opens_and_the_script_computes_the_same_data(app, tmp_path):
    page = app("?steps=45&schemes=EES25,ReversibleHeun")
    page.settled()
    experiment = ees.Experiment(steps=45, schemes=("EES25", "ReversibleHeun"))
    wanted = ees.run(experiment).plots[0].to_csv()

    name, pdf = _download(page, "PDF")
    assert name == "paths.pdf"
    (sheet,) = pymupdf.open(stream=pdf)
    assert sheet.rect.width == pytest.approx(89 * MILLIMETRE, abs=0.01)
    fonts = sheet.get_fonts()
    assert fonts and all(kind == "Type0" and extension == "ttf" for _, extension, kind, *_ in fonts)
    text = sheet.get_text()
    for label in ("EES(2,5)", "Reversible Heun", "exact solution", "time"):
        assert label in text

    name, svg = _download(page, "SVG")
    assert name == "paths.svg"
    root = ElementTree.fromstring(svg)
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(89 * MILLIMETRE, abs=0.01)

    name, png = _download(page, "PNG")
    assert name == "paths.png"
    picture = pymupdf.Pixmap(png)
    assert picture.width == pytest.approx(89 / 25.4 * 600, abs=1)
    assert len(set(picture.samples)) > 10

    name, data = _download(page, "CSV")
    assert name == "paths.csv"
    rows, right = (list(csv.reader(io.StringIO(text))) for text in (data.decode(), wanted))
    # To the last bits: this process compiles otherwise than the server (tests/conftest.py).
    assert [row[0] for row in rows] == [row[0] for row in right]
    numbers, of = (np.array([row[1:] for row in table[1:]], float) for table in (rows, right))
    np.testing.assert_allclose(numbers, of, rtol=1e-12, atol=1e-12)
    assert rows[0] == ["series", "time [1]", "solution [1]"] and len(rows) > 1000

    name, script = _download(page, "Python")
    assert name == "paths.py"
    assert b"import app" not in script and b"from app" not in script
    (tmp_path / name).write_bytes(script)
    subprocess.run([sys.executable, name], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "paths.csv").read_bytes() == data


def test_a_long_run_shows_progress_can_be_cancelled_and_goes_on(app):
    page = app("?model=neural_sde&schemes=EES25,EES27,RK4,Heun&seed=17&steps=40")
    page.settled()
    page.turn_to("Gradients")
    page.page.get_by_text(re.compile(r"\d+ of 48.*: computing")).wait_for()
    page.page.get_by_role("button", name="Cancel").click()
    page.until(lambda: page.page.get_by_text("Cancelled; what was computed stays.").is_visible())
    # The piece that was being computed is shown too; nothing is begun after it.
    page.page.wait_for_timeout(5000)
    kept = page.curves()
    assert sum(map(len, kept.values())) < 48
    page.page.wait_for_timeout(1500)
    assert page.curves() == kept
    page.page.get_by_role("button", name="Go on").click()
    page.computed()
    page.settled()
    curves = page.curves()
    assert [len(curves[name]) for name in ("EES(2,5)", "EES(2,7)", "RK4", "Heun")] == [12] * 4


def test_during_a_long_run_another_session_answers(app):
    other = app("?seed=4")
    before = other.settled()
    many = "EES25,EES27,RK4,Heun,Midpoint,Ralston,Kutta3,Euler"
    busy = app(f"?model=neural_langevin&schemes={many}")
    # Most of the run is over when its first picture comes: what opens the page waits for that.
    busy.turn_to("Gradients")
    running = busy.page.get_by_text(re.compile(r"\d+ of 96.*: computing"))
    running.wait_for()
    other.press("Step size h", "ArrowRight", 4)
    other.until(lambda: other.curves() != before)
    assert running.is_visible()


def test_the_light_goes_out_in_place_and_the_legend_shows_dashes(app):
    page = app("?steps=60")
    page.settled()
    assert "Reversible Heun" in page.curves()
    samples = """[...Bokeh.documents[0]._all_models.values()]
      .filter((m) => m.type === "Legend").every((legend) => legend.glyph_width === 42)"""
    page.until(lambda: page.page.evaluate(samples))
    page.page.get_by_label("Toggle theme").click()
    dark = "Array.from(Bokeh.documents[0]._all_models.values()).filter(m => m.type == 'LinearAxis')"
    page.until(lambda: page.page.evaluate(f"{dark}[0].axis_label_text_color") == "#fff")
    assert page.slider("Step size h").get_attribute("aria-valuetext") == "0.1667"
    assert len(page.curves()) == 4
    page.until(lambda: page.page.evaluate(samples))


def test_the_state_of_an_experiment_is_one_line_of_json(app):
    page = app("?model=kepler&steps=96")
    page.settled()
    _, script = _download(page, "Python")
    text = re.search(r"from_json\(\s*'(.*)'", script.decode())[1]
    assert json.loads(text)["model"] == "kepler"
