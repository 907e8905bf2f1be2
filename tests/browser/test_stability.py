"""The stability page, used as a lecturer uses it: drag the step size, click the plane."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import ees


pytestmark = pytest.mark.browser

# R(z) of two schemes.
_POWERS = {"EES(2,5)": [1, 1, 1 / 2, 1 / 8], "RK4": [1, 1, 1 / 2, 1 / 6, 1 / 24]}
# Where a point of the plane is on screen.
_PLACE = """([x, y]) => {
  const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  const views = figures.map((figure) => Bokeh.index.find_one(figure))
    .filter((view) => view && view.el.getBoundingClientRect().width > 0)
  const {frame, el} = views[0], box = el.getBoundingClientRect()
  return [box.x + frame.x_scale.compute(x), box.y + frame.y_scale.compute(y)]
}"""


def test_a_click_on_the_plane_moves_the_probe_and_runs_the_test_equation_there(app):
    page = app("?view=stability&schemes=EES25,RK4")
    page.until(lambda: len(page.figures()) == 2)
    page.settled()
    before = page.figures()[1]["curves"]
    # Both axes have one scale.
    left, top = page.page.evaluate(_PLACE, [-2.0, 2.0])
    right, bottom = page.page.evaluate(_PLACE, [0.0, 0.0])
    assert right - left == pytest.approx(bottom - top, rel=0.01)
    page.page.mouse.click(*page.page.evaluate(_PLACE, [-2.5, 0.5]))
    page.until(lambda: "c.probe_re" in page.address)
    asked = parse_qs(urlsplit(page.address).query)
    z = complex(float(asked["c.probe_re"][0]), float(asked["c.probe_im"][0]))
    # A pixel is about 0.015 wide.
    assert z == pytest.approx(-2.5 + 0.5j, abs=0.03)
    page.until(lambda: page.figures()[1]["curves"] != before)
    n = np.arange(25)
    for name, powers in _POWERS.items():
        growth = abs(np.polynomial.polynomial.polyval(z, powers))
        drawn = np.array(page.figures()[1]["curves"][name])
        np.testing.assert_allclose(drawn, np.stack([n, growth**n], axis=1), rtol=1e-5)
    assert float(page.slider("Probe, real part").get_attribute("aria-valuenow")) == z.real


def _said(page, z):
    """What is said at the pointer of a point of the plane near `z`: the point, and lines."""
    for text in page.page.get_by_text(re.compile("^real part ")).all_inner_texts():
        place, *lines = text.splitlines()
        at = complex(*(float(word.split()[-1]) for word in place.split(",")))
        if abs(at - z) < 0.03:
            return at, lines


def test_the_pointer_reads_the_growth_of_every_scheme(app):
    page = app("?view=stability&schemes=EES25,RK4")
    page.settled()
    for z in (-1.0 + 1.5j, -2.5 + 0.1j):
        page.page.mouse.move(*page.page.evaluate(_PLACE, [z.real - 0.2, z.imag]))
        page.page.mouse.move(*page.page.evaluate(_PLACE, [z.real, z.imag]))
        at, schemes = page.until(lambda: _said(page, z))
        read = dict(line.split(": growth per step ≈ ") for line in schemes)
        assert read.keys() == _POWERS.keys()
        for name, powers in _POWERS.items():
            growth = abs(np.polynomial.polynomial.polyval(at, powers))
            assert float(read[name]) == pytest.approx(growth, abs=0.02)


def test_the_eigenvalues_turn_as_the_step_grows(app):
    page = app("?view=stability&schemes=EES25,RK4&steps=504&p.theta=2")
    page.settled()
    assert page.messages().count("0 of 1 decaying eigenvalues lie outside") == 2
    domain = page.curves()["RK4"]
    page.press("Step size h", "End")
    page.until(lambda: page.messages().count("1 of 1 decaying eigenvalues lie outside") == 2)
    assert "beyond its critical step, 1.393" in page.messages()
    assert page.settled()["RK4"] == domain


def test_every_part_answers(app):
    page = app("?view=stability&schemes=EES25,EES27,ReversibleHeun&part=mean_square")
    page.settled()
    assert "Reversible Heun is stable nowhere inside of this picture." in page.messages()
    wanted = ees.Experiment(view="stability", part="mean_square", schemes=("EES25", "EES27"))
    (plot,) = ees.run(wanted).plots
    assert {region.label for region in plot.regions} <= set(page.curves())
    page.turn_to("Order stars")
    page.until(lambda: {"EES(2,5)", "EES(2,7)", "imaginary axis"} <= set(page.curves()))
