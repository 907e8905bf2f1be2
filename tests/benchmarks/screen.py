"""From a slider to pixels: `python -m tests.benchmarks.screen`, four minutes.

A headless Chromium opens Paths with ten curves and, in another tab, a bare Bokeh figure of the
same size in which nothing but JavaScript updates the same curves, with the numbers, dashes and
widths that the app has just drawn: what no app on this machine and in this browser can undercut.
The two take turns. A trial begins with the key press, or with the assignment of the arrays, and
ends when the figure has been painted with the new title and a pixel was read back. Results go to
assets/benchmarks/screen.json.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import tempfile
from importlib.metadata import version

import numpy as np
from bokeh.embed import file_html
from bokeh.plotting import figure
from bokeh.resources import INLINE
from playwright.sync_api import sync_playwright

from tests.benchmarks.machine import machine
from tests.browser.conftest import ROOT, App, Server, launched


PATH = ROOT / "assets" / "benchmarks" / "screen.json"
SCHEMES = "EES25,EES27,Euler,Heun,Midpoint,Ralston,Kutta3,Heun3,RK4"
# As many presses as step counts are left, from the most on, that give every curve all its points.
ROUNDS, TRIALS, BESIDE, CANCELS, OPENED = 9, 6, 10, 5, 5
# Goals of the project: ratios to the floor, frames a second, milliseconds.
GOALS = {
    "median": 2.5,
    "p95": 5.0,
    "frames": 15.0,
    "beside": 250.0,
    "cancel": 500.0,
    "first": 3.0,
}

# A figure is done when it was painted after its title had changed.
_WATCH = """() => {
  const models = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  const view = models.map((m) => Bokeh.index.find_one(m))
    .filter((v) => v && v.el.getBoundingClientRect().width > 0)[0]
  const watch = window.watch = {view, begun: null, shown: view.model.title.text, frames: 0}
  const paint = view._actual_paint
  view._actual_paint = function (...rest) {
    paint.apply(this, rest)
    const {text} = this.model.title
    if (text !== watch.shown) {
      watch.shown = text
      watch.frames += 1
      if (watch.done) {
        const {ctx} = this.canvas_view.primary
        ctx.getImageData(0, 0, 1, 1)
        const {done} = watch
        watch.done = null
        done(performance.now() - watch.begun)
      }
    }
  }
  window.addEventListener('keydown', () => { watch.begun = performance.now() }, true)
}"""
# Seconds from the start of the navigation to the first frame with curves on the canvas.
_FIRST = """() => new Promise((done) => {
  const look = () => {
    const models = [...window.Bokeh?.documents[0]?._all_models.values() ?? []]
    const figure = models.find((m) => m.type === 'Figure')
    const known = figure?.renderers.some((r) => r.name && r.data_source.data.x?.length > 2)
    const canvas = known && Bokeh.index.find_one(figure)?.canvas_view?.primary
    const {width, height} = canvas?.el ?? {}
    if (width && height && canvas.ctx.getImageData(0, 0, width, height).data.some((v) => v))
      done(performance.now() / 1000)
    else requestAnimationFrame(look)
  }
  look()
})"""
_WAIT = "() => { watch.took = new Promise((done) => { watch.done = done }) }"
# The curves that a press led to, and how they look.
_CURVES = """() => watch.view.model.renderers
  .filter((r) => r.name && r.glyph.type === 'Line' && r.visible)
  .map(({data_source: {data}, glyph}) => ({
    x: [...data.x], y: [...data.y],
    look: {
      line_dash: glyph.line_dash.value ?? glyph.line_dash,
      line_width: glyph.line_width.value ?? glyph.line_width,
      line_color: glyph.line_color.value ?? glyph.line_color,
    },
  }))"""
_WINDOW = """() => {
  const {x_range, y_range} = watch.view.model
  return [x_range.start, x_range.end, y_range.start, y_range.end]
}"""
_KEEP = """(pictures) => {
  watch.pictures = pictures.map((curves) => curves.map(
    ({x, y}) => ({x: Float32Array.from(x), y: Float32Array.from(y)})))
}"""
_UPDATE = """([picture, trial]) => {
  const renderers = watch.view.model.renderers.filter((r) => r.name === 'moving')
  watch.begun = performance.now()
  renderers.forEach((renderer, i) => { renderer.data_source.data = watch.pictures[picture][i] })
  watch.view.model.title.text = `trial ${trial}`
  return watch.took
}"""
# Pictures a second while the pointer goes through half of the slider and back. A browser hands on
# one move of a mouse each frame; moves that the driver sends wait for each other.
_DRAG = """([left, width, y, seconds]) => new Promise((done) => {
  const begun = performance.now()
  watch.frames = 0
  const move = () => {
    const gone = (performance.now() - begun) / 1000
    if (gone > seconds) return done(watch.frames / gone)
    const at = 0.1 + 0.5 * Math.abs(1 - 2 * gone / seconds)
    // The driver's mouse, which was pressed, is pointer 1.
    const mouse = {pointerId: 1, pointerType: 'mouse', buttons: 1, bubbles: true}
    const where = {clientX: left + at * width, clientY: y}
    document.dispatchEvent(new PointerEvent('pointermove', {...mouse, ...where}))
    requestAnimationFrame(move)
  }
  move()
})"""
# From the press of a button to the first frame in which the page says that it cancelled.
_CANCELLED = """() => {
  window.cancelled = new Promise((done) => {
    let begun = null
    addEventListener('pointerdown', () => { begun = performance.now() }, {capture: true, once: true})
    const look = () => {
      const said = [...Bokeh.documents[0]._all_models.values()]
        .some((m) => typeof m.text === 'string' && m.text.startsWith('Cancelled'))
      if (begun != null && said) done(performance.now() - begun)
      else requestAnimationFrame(look)
    }
    look()
  })
}"""


def _floor_page(browser, size, curves, window, folder):
    """A figure of that size, with curves that look as these do and are seen in that window."""
    made = figure(width=size[0], height=size[1], tools="pan,box_zoom,wheel_zoom,hover")
    for number, curve in enumerate(curves):
        made.line([0.0, 1.0], [0.0, 0.0], **curve["look"], name="moving")
        # A legend that shows what moves is built again for each assignment of numbers.
        made.line([np.nan], [np.nan], **curve["look"], legend_label=f"{number}")
    made.x_range.update(start=window[0], end=window[1])
    made.y_range.update(start=window[2], end=window[3])
    path = pathlib.Path(folder) / "floor.html"
    path.write_text(file_html(made, INLINE, "floor"))
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(path.as_uri())
    page.wait_for_function("() => window.Bokeh?.documents[0]?.is_idle")
    page.evaluate(_WATCH)
    return page


def _press(app, key="ArrowRight") -> float:
    """Milliseconds from a key on the step-size slider to the picture."""
    app.page.evaluate(_WAIT)
    app.page.keyboard.press(key)
    return app.page.evaluate("() => watch.took")


def _ready(browser, server, query) -> tuple[App, float]:
    """The app at a link, watched, and the seconds until its first picture."""
    app = App(browser, server)
    app.page.goto(server.url + query)
    first = app.page.evaluate(_FIRST)
    app.settled()
    app.page.evaluate(_WATCH)
    app.slider("Step size h").focus()
    app.page.keyboard.press("Home")
    app.settled()
    return app, first


def _drag(app, seconds=3.0) -> float:
    """Pictures a second while the mouse drags the slider."""
    thumb = app.slider("Step size h").bounding_box()
    rail = app.page.locator(".MuiSlider-root").first.bounding_box()
    y = thumb["y"] + thumb["height"] / 2
    app.page.mouse.move(thumb["x"] + thumb["width"] / 2, y)
    app.page.mouse.down()
    frames = app.page.evaluate(_DRAG, [rail["x"], rail["width"], y, seconds])
    app.page.mouse.up()
    assert frames, "the slider did not follow the pointer"
    return frames


def _beside(app, busy, count) -> list[float]:
    """Milliseconds from key to picture while a computation in another session is that far."""
    running = busy.page.get_by_text(re.compile(count + r" \d+.*computing"))
    times = []
    for _ in range(3 * BESIDE):
        if not times or not running.is_visible():
            busy.page.bring_to_front()
            if busy.page.get_by_text("all computed").is_visible():
                busy.page.get_by_role("button", name="New path").click()
            running.wait_for()
            # A tab that was behind another one first catches up.
            app.page.bring_to_front()
            app.page.wait_for_timeout(500)
            app.slider("Step size h").focus()
        took = _press(app, "ArrowLeft")
        times += [took] * running.is_visible()
        if len(times) == BESIDE:
            return times
    raise RuntimeError(f"{len(times)} of {3 * BESIDE} presses fell into the computation.")


def _cancels(busy) -> list[float]:
    """Milliseconds from a click on Cancel in a long computation to the page that says it stopped."""
    times = []
    for _ in range(CANCELS):
        # Another path begins from nothing.
        busy.page.get_by_role("button", name="New path").click()
        busy.page.get_by_text(re.compile(r"\d+ of \d+.*computing")).wait_for()
        busy.page.wait_for_timeout(700)
        busy.page.evaluate(_CANCELLED)
        busy.page.get_by_role("button", name="Cancel").click()
        times.append(busy.page.evaluate("() => cancelled"))
    return times


def _summary(times) -> dict:
    median, p95 = np.quantile(times, (0.5, 0.95))
    return {"median": round(float(median), 1), "p95": round(float(p95), 1), "trials": len(times)}


def measure() -> dict:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        served = pathlib.Path(folder)
        server, browser = Server(served, served / "programs"), launched(playwright)
        try:
            return _measure(browser, server, folder)
        finally:
            browser.close()
            server.stop()


def _measure(browser, server, folder) -> dict:
    warm = f"?schemes={SCHEMES}&seed=1"
    _ready(browser, server, warm)[0].context.close()
    # Of browsers that have nothing of the app yet, each on a path of its own.
    firsts = []
    for seed in range(2, 2 + OPENED):
        app, first = _ready(browser, server, f"?schemes={SCHEMES}&seed={seed}")
        firsts.append(first)
        if len(firsts) < OPENED:
            app.context.close()
    size = app.page.evaluate("() => [watch.view.bbox.width, watch.view.bbox.height]")
    drawn = {label: len(points) for label, points in app.curves().items()}
    window = app.page.evaluate(_WINDOW)
    floor = _floor_page(browser, size, app.page.evaluate(_CURVES), window, folder)
    times = {"ours": [], "floor": []}
    for turn in range(ROUNDS):
        app.page.bring_to_front()
        key = "ArrowLeft" if turn % 2 else "ArrowRight"
        pictures = []
        for _ in range(TRIALS):
            times["ours"].append(_press(app, key))
            pictures.append(app.page.evaluate(_CURVES))
        fewest = min(len(found) for found in app.settled().values())
        assert fewest > 2000, f"a curve of {fewest} points"
        # Of another path no step has been computed yet.
        app.page.get_by_role("button", name="New path").click()
        app.settled()
        app.slider("Step size h").focus()
        floor.bring_to_front()
        floor.evaluate(_KEEP, pictures)
        for picture in range(TRIALS):
            floor.evaluate(_WAIT)
            trial = turn * TRIALS + picture
            times["floor"].append(floor.evaluate(_UPDATE, [picture, trial]))
    app.page.bring_to_front()
    frames = _drag(app)
    # Another session computes for longer than this lasts: it compiles, then it draws as well.
    many = "EES25,EES27,RK4,Heun,Midpoint,Ralston,Kutta3,Euler"
    busy = App(browser, server)
    busy.page.goto(f"{server.url}?model=neural_langevin&view=gradients&schemes={many}")
    beside = {
        phase: _summary(_beside(app, busy, count))
        for phase, count in {"compiling": r"0 of", "drawing": r"[1-9]\d* of"}.items()
    }
    busy.page.bring_to_front()
    cancels = _summary(_cancels(busy))
    versions = {name: version(name) for name in ("panel", "bokeh", "jax")}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(versions | {"chromium": browser.version}),
        "load": os.getloadavg()[0],
        "curves": drawn,
        "milliseconds": {name: _summary(found) for name, found in times.items()},
        "beside": beside,
        "cancel": cancels,
        "frames a second in a drag": round(frames, 1),
        "seconds to the first picture": [round(first, 2) for first in sorted(firsts)],
    }


def lines_of(results: dict) -> list[str]:
    """The results as a table for a terminal, beside the goals."""
    found = results["milliseconds"]
    lines = [f"{'slider to pixels':44}{'median':>10}{'p95':>10}"]
    for name, times in found.items():
        lines.append(f"{name + ', ms':44}{times['median']:10.1f}{times['p95']:10.1f}")
    ratios = [found["ours"][q] / found["floor"][q] for q in ("median", "p95")]
    lines.append(f"{'ours to the floor':44}{ratios[0]:10.2f}{ratios[1]:10.2f}")
    lines.append(f"{'goal':44}{GOALS['median']:10.2f}{GOALS['p95']:10.2f}")
    for phase, times in results["beside"].items():
        name = f"beside a long computation, {phase}, ms"
        goal = f"   goal: p95 {GOALS['beside']:g}"
        lines.append(f"{name:44}{times['median']:10.1f}{times['p95']:10.1f}{goal}")
    cancel, firsts = results["cancel"], results["seconds to the first picture"]
    name, goal = "Cancel, ms", f"   goal: {GOALS['cancel']:g}"
    lines.append(f"{name:44}{cancel['median']:10.1f}{cancel['p95']:10.1f}{goal}")
    lines += [
        f"frames a second in a drag: {results['frames a second in a drag']} "
        f"(goal {GOALS['frames']:g})",
        f"seconds to the first picture: median {np.median(firsts):.2f}, at most {firsts[-1]:.2f} "
        f"(goal {GOALS['first']:g})",
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.screen", description=__doc__)
    parser.add_argument("--no-file", action="store_true", help="print the results only")
    options = parser.parse_args()
    results = measure()
    print("\n".join(lines_of(results)))
    if not options.no_file:
        PATH.parent.mkdir(parents=True, exist_ok=True)
        PATH.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
