"""What the pages share: a step, a moment, hidden series, captions, tables, play."""

import re

import pytest

import ees


pytestmark = pytest.mark.browser

# Where a point of a visible figure, or the legend's entry of a label, is on screen.
_POINT = """([title, x, y]) => {
  const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  const view = figures.filter((m) => m.title.text.includes(title))
    .map((m) => Bokeh.index.find_one(m)).filter((v) => v && v.el.getBoundingClientRect().width > 0)[0]
  view.el.scrollIntoView({block: 'center'})
  const {left, top} = view.canvas_view.el.getBoundingClientRect()
  const {x_scale, y_scale, bbox} = view.frame
  return [left + x_scale.compute(x), top + (y == null ? bbox.y_center : y_scale.compute(y))]
}"""
_ENTRY = """([title, label]) => {
  const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  const view = figures.filter((m) => m.title.text.includes(title))
    .map((m) => Bokeh.index.find_one(m)).filter((v) => v && v.el.getBoundingClientRect().width > 0)[0]
  view.el.scrollIntoView({block: 'center'})
  const legend = [...view.views.all_views()].filter((v) => v.model.type === 'Legend')[0]
  const {el} = legend.entries.filter(({item}) => item.label.value === label)[0]
  const {left, top, width, height} = el.getBoundingClientRect()
  return [left + width / 2, top + height / 2]
}"""
_MARKS = """() => [...Bokeh.documents[0]._all_models.values()]
  .filter((m) => m.type === 'Span').map((m) => m.location)"""
# Of each visible glyph of a type, the share of points that are let through at the moment.
_SHOWN = """(type) => {
  const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  return figures.map((m) => Bokeh.index.find_one(m))
    .filter((v) => v && v.el.getBoundingClientRect().width > 0)
    .flatMap((v) => v.model.renderers.filter((r) => r.name && r.glyph.type === type))
    .map((r) => r.view.indices.count / r.data_source.data.x.length)
}"""


def _click(page, script, *of):
    page.page.wait_for_timeout(200)
    page.page.mouse.click(*page.page.evaluate(script, list(of)))


def _moment(page):
    (moment,) = page.page.evaluate(_MARKS)
    return moment


def test_a_click_takes_the_step_and_the_moment_and_hides_everywhere(app):
    page = app("?model=kepler&view=reversal&schemes=EES25,ReversibleHeun&steps=96")
    page.computed()
    # A click at a step size takes the nearest step, here and in the sidebar.
    _click(page, _POINT, "recovering the start", 0.5, None)
    page.until(lambda: page.slider("Step size h").get_attribute("aria-valuetext") == "0.5")
    page.until(lambda: "steps=20" in page.address)

    def cursors():
        found = [f["curves"].get("chosen h") for f in page.figures()]
        return [cursor[0][0] for cursor in found if cursor]

    page.until(lambda: cursors() == pytest.approx([0.5]))
    # A click in a legend hides the series on every plot of every page.
    _click(page, _ENTRY, "recovering the start", "Reversible Heun")
    page.until(lambda: not any("Reversible Heun" in f["curves"] for f in page.figures()))
    page.turn_to("Paths")
    page.until(lambda: {"EES(2,5)"} < set(page.curves()))
    assert "Reversible Heun" not in page.curves()
    _click(page, _ENTRY, "one path", "Reversible Heun")
    page.until(lambda: "Reversible Heun" in page.curves())
    # A click at a time marks it on every plot over time, and points at it in the phase portrait.
    _click(page, _POINT, "one path", 4.0, None)
    page.until(lambda: _moment(page) == pytest.approx(4.0, abs=0.05))
    page.turn_to("Phase portrait")
    page.until(lambda: any("phase portrait" in f["title"] for f in page.figures()))
    assert _moment(page) == pytest.approx(4.0, abs=0.05)
    assert page.page.get_by_text("t = 4", exact=True).is_visible()
    page.turn_to("Reversal")
    page.computed()
    page.until(lambda: not any("Reversible Heun" not in f["curves"] for f in page.figures()))


def test_time_plays_pauses_steps_and_scrubs(app):
    page = app("?model=kepler&steps=504&schemes=EES25")
    page.settled()
    assert _moment(page) is None
    button = page.page.get_by_role("button", name="Play", exact=True)
    button.click()
    page.until(lambda: (_moment(page) or 0) > 1)
    # While it plays, curves end at the moment.
    page.until(lambda: all(0.05 < share < 1 for share in page.page.evaluate(_SHOWN, "Line")))
    page.page.get_by_role("button", name="Pause", exact=True).click()
    page.until(lambda: page.page.evaluate(_SHOWN, "Line") == [1, 1])
    paused = _moment(page)
    page.page.wait_for_timeout(300)
    assert _moment(page) == paused
    page.page.get_by_role("button", name="Next frame").click()
    page.until(lambda: _moment(page) == pytest.approx(paused + 10 / 250))
    page.slider("Moment in time").focus()
    page.page.keyboard.press("End")
    page.until(lambda: _moment(page) == pytest.approx(10.0))
    page.page.get_by_role("button", name="First frame").click()
    page.until(lambda: _moment(page) is None)


def test_a_band_says_its_ends_at_the_pointer_and_plays_with_its_mean(app):
    choices = {"paths": 50}
    page = app("?part=ensemble&steps=48&schemes=EES25&c.paths=50")
    page.computed()
    page.settled()
    experiment = ees.Experiment(part="ensemble", steps=48, schemes=("EES25",), choices=choices)
    fan = next(s for s in ees.run(experiment).plots[0].series if s.key == "EES25")
    at = 20
    between = (fan.low[at] + 3 * fan.y[at]) / 4
    x, y = page.page.evaluate(_POINT, ["50 paths", (fan.x[at] + fan.x[at + 1]) / 2, between])
    page.page.mouse.move(x - 5, y)
    page.page.mouse.move(x, y)
    said = page.page.get_by_text(re.compile(r"^solution at time .* to .* to ", re.DOTALL)).first
    said.wait_for()
    # Fans on top of each other are all told of: this one and that of the exact solution.
    _, exact, own = said.inner_text().splitlines()
    assert exact.startswith("exact solution: ") and own.startswith("EES(2,5): ")
    ends = [float(end) for end in own.removeprefix("EES(2,5): ").split(" to ")]
    amid = [(end[at] + end[at + 1]) / 2 for end in (fan.low, fan.high)]
    assert ends == pytest.approx(amid, abs=0.02)
    page.page.get_by_role("button", name="Play", exact=True).click()
    page.until(lambda: (_moment(page) or 0) > 1)
    # The fans of the scheme and of the exact solution; the bars below are not over time.
    page.until(lambda: sum(0.05 < share < 1 for share in page.page.evaluate(_SHOWN, "VArea")) == 2)


def test_the_step_size_sweeps_until_it_is_stopped_and_compiles_nothing(app, server):
    page = app("?steps=720&seed=3")
    page.page.get_by_text("Critical step by linear theory").first.wait_for()
    page.settled()
    before, steps = server.compilations, page.slider("Step size h")
    page.page.get_by_role("button", name="Sweep h").click()
    seen = set()

    def several():
        seen.add(steps.get_attribute("aria-valuetext"))
        return len(seen) > 5

    page.until(several)
    page.page.get_by_role("button", name="Stop").click()
    page.settled()
    stopped = steps.get_attribute("aria-valuetext")
    page.page.wait_for_timeout(600)
    assert steps.get_attribute("aria-valuetext") == stopped
    page.until(lambda: f"steps={round(10 / float(stopped))}" in page.address)
    assert server.compilations == before


def test_every_plot_has_a_caption_that_follows_and_a_table_of_its_numbers(app):
    page = app("?part=ensemble&steps=48&schemes=EES25,RK4&c.paths=50")
    page.computed()
    wanted = ees.run(
        ees.Experiment(part="ensemble", steps=48, schemes=("EES25", "RK4"), choices={"paths": 50})
    )
    captions = page.page.locator("p[aria-live=polite]:visible")
    page.until(lambda: captions.all_inner_texts() == [plot.caption for plot in wanted.plots])
    page.press("Step size h", "ArrowRight")
    page.until(lambda: captions.all_inner_texts() != [plot.caption for plot in wanted.plots])
    page.press("Step size h", "ArrowLeft")
    # What was computed before is there at once.
    page.until(lambda: captions.all_inner_texts() == [plot.caption for plot in wanted.plots])
    page.page.get_by_role("button", name="Table").last.click()
    table = page.page.get_by_role("table")
    table.wait_for()
    assert table.locator("thead th").all_inner_texts() == list(wanted.plots[1].header)
    rows = [(row[0], f"{row[1]:.7g}", f"{row[2]:.7g}") for row in wanted.plots[1].rows()]
    cells = "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))"
    assert [tuple(r) for r in table.locator("tbody tr").evaluate_all(cells)] == rows
    page.page.get_by_role("button", name="Table").last.click()
    page.until(lambda: table.count() == 0)


def test_a_narrow_page_is_not_covered_and_nothing_overflows(app):
    page = app("?steps=48", width=390)
    page.settled()
    assert not page.page.get_by_label("Horizon T").is_visible()
    assert page.page.get_by_role("tab", name="Paths", exact=True).is_visible()
    wide = page.page.evaluate("""() => {
      const found = [], visit = (root) => {
        for (const el of root.querySelectorAll('*')) {
          if (el.shadowRoot) visit(el.shadowRoot)
          const {left, right, width} = el.getBoundingClientRect()
          // A row of tabs scrolls sideways by itself.
          if (width > 0 && left < 390 && right > 391 && !el.matches('[role=tab]')
              && el.matches('button, input, canvas, p, table'))
            found.push(el.outerHTML.slice(0, 160))
        }
      }
      visit(document)
      return found
    }""")
    assert wide == []
    page.page.get_by_role(
        "button", name=re.compile("menu|sidebar|drawer", re.IGNORECASE)
    ).first.click()
    page.until(lambda: page.page.get_by_label("Horizon T").is_visible())


def test_a_window_that_is_made_narrow_is_not_covered_either(app):
    page = app("?steps=48")
    page.settled()
    horizon = page.page.get_by_label("Horizon T")
    assert horizon.is_visible()
    page.page.set_viewport_size({"width": 390, "height": 1000})
    page.until(lambda: not horizon.is_visible())
    page.page.get_by_role("tab", name="Reversal", exact=True).click()
    page.until(lambda: "view=reversal" in page.address)


def test_the_hurst_index_is_there_where_there_is_noise(app):
    page = app("?schemes=EES25")
    before = page.settled()["exact solution"]
    page.press("Hurst index", "ArrowRight", 20)
    page.until(lambda: "hurst=0.7" in page.address)
    page.until(lambda: page.curves()["exact solution"] != before)
    again = app("?model=kepler&schemes=EES25")
    again.settled()
    assert again.slider("Hurst index").count() == 0


def test_nothing_is_wider_than_a_telephone(app):
    for query in ("?view=gradients", "?view=stability&part=mean_square", "?part=ensemble"):
        page = app(query, width=390)
        page.settled()
        widths = [figure["width"] for figure in page.figures()]
        assert widths and max(widths) <= 390, query


def test_of_curves_on_top_of_each_other_the_pointer_reads_each(app):
    page = app("?steps=80&seed=3&schemes=EES25,RK4")
    drawn = page.settled()
    t, y = drawn["EES(2,5)"][20]
    x, height = page.page.evaluate(_POINT, ["one path", t, y])
    page.page.mouse.move(x - 5, height)
    page.page.mouse.move(x, height)
    said = page.page.get_by_text(re.compile("^time, solution"))
    said.first.wait_for()
    # As many glyphs as there are say the same.
    _, *lines = set(said.all_inner_texts()).pop().splitlines()
    read = {name: numbers.split(", ") for name, numbers in (line.split(": ") for line in lines)}
    assert read.keys() == {"exact solution", "EES(2,5)", "RK4"}
    for name in ("EES(2,5)", "RK4"):
        assert [float(n) for n in read[name]] == pytest.approx(drawn[name][20], rel=1e-4)
