"""A served app, a real Chromium, and an eye on everything that either of them complains about."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import sync_playwright


ROOT = pathlib.Path(__file__).resolve().parents[2]
# What a first compilation may take on a loaded machine; nothing here is a measurement.
PATIENCE = 90


class Server:
    """`panel serve app`, with its log."""

    def __init__(self, folder: pathlib.Path, programs: pathlib.Path):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}/app"
        self._log = folder / "server.log"
        self._file = self._log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "panel", "serve", "app", "--port", str(self.port)],
            cwd=ROOT,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "JAX_LOG_COMPILES": "1",
                "EES_EXPLORER_CACHE": str(programs),
            },
        )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=PATIENCE).close()
                return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError(self.log) from None
                time.sleep(0.2)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def compilations(self) -> int:
        """How many programs XLA has compiled so far, by JAX's own log."""
        return len(re.findall(r"Finished XLA compilation", self.log))

    @property
    def complaints(self) -> list[str]:
        """Lines of the log that a healthy server does not write."""
        # Of a tab that was closed while a message was on its way, Panel or Tornado tells.
        late = (
            r"^.*Task exception was never retrieved\n(?:(?!\d{4}-).*\n)*?.*WebSocketClosedError\n"
        )
        log = re.sub(late, "", self.log, flags=re.MULTILINE)
        bad = re.compile(r"traceback|error|exception|warn|\b[EW]-1\d{3}\b", re.IGNORECASE)
        # BokehJS tells the server once more of a model that has come from there: known is right.
        known = re.compile(
            r"as connection was closed|Compiling|Finished|compiling|WARNING:jax|jax\._src"
            r"|BokehUserWarning: reference already known"
        )
        return [line for line in log.splitlines() if bad.search(line) and not known.search(line)]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._file.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # What one server has compiled, those of the other files need not compile again.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    served = Server(tmp_path_factory.mktemp("server"), shared / "programs")
    yield served
    served.stop()
    assert served.complaints == []


def launched(playwright):
    """The machine's own Chromium, started by Playwright."""
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    assert path, "no Chromium found: on Debian, apt install chromium"
    quiet = ("--disable-gpu", "--disable-background-networking", "--disable-component-update")
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    return playwright.chromium.launch(executable_path=path, args=[*quiet, *sandbox])


# Playwright keeps an event loop running for as long as it lives.
@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


class App:
    """The app in one tab of the browser, as its user sees it."""

    def __init__(self, browser, server: Server, width: int = 1440):
        self.server = server
        self.context = browser.new_context(
            viewport={"width": width, "height": 1000}, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request) -> None:
        local = (f"http://localhost:{self.server.port}/", f"ws://localhost:{self.server.port}/")
        if not request.url.startswith((*local, "data:", "blob:")):
            self.complaints.append(f"a request left the machine: {request.url}")

    def open(self, query: str = "") -> "App":
        """Opens the app and waits for its first picture with data."""
        self.page.goto(self.server.url + query)
        self.until(lambda: self.curves())
        return self

    def until(self, condition):
        """Waits until a condition holds, and returns what it returned."""
        end = time.monotonic() + PATIENCE
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < end, f"waited {PATIENCE} s; the page says: {self.messages()}"
            self.page.wait_for_timeout(50)

    def figures(self) -> list[dict]:
        """The figures on the page that is open: title, legend, and the curves that are visible."""
        return self.page.evaluate(_FIGURES)

    def curves(self) -> dict[str, list]:
        """Label of a curve -> its points, of the first figure on the page that is open."""
        figures = self.figures()
        return figures[0]["curves"] if figures else {}

    def settled(self) -> dict[str, list]:
        """The curves of the first figure, once nothing has changed for a while."""
        before = None
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now = self.figures()
            if now == before and now:
                return now[0]["curves"]
            before = now
            self.page.wait_for_timeout(700)
        raise AssertionError("the picture did not come to rest")

    @property
    def address(self) -> str:
        """The link in the address bar, asked of the page: Playwright's own copy lags behind."""
        return self.page.evaluate("location.href")

    def messages(self) -> str:
        return "\n".join(self.page.get_by_role("status").all_inner_texts())

    def slider(self, name: str):
        return self.page.get_by_role("slider", name=name)

    def press(self, name: str, key: str, times: int = 1) -> None:
        """Presses a key on the slider of that name."""
        self.slider(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def turn_to(self, title: str) -> None:
        self.page.get_by_role("tab", name=title, exact=True).click()

    def computed(self) -> None:
        """Waits until the sweep of the page that is open is complete."""
        self.until(lambda: self.page.get_by_text("all computed").first.is_visible())


# A figure on a page that is not open has no width.
_FIGURES = """() => {
  if (!window.Bokeh || !Bokeh.documents.length) return []
  const figures = [...Bokeh.documents[0]._all_models.values()].filter((m) => m.type === 'Figure')
  const views = figures.map((figure) => Bokeh.index.find_one(figure))
    .filter((view) => view && view.el.getBoundingClientRect().width > 0)
  return views.map((view) => {
    const figure = view.model
    const curves = {}, crosses = []
    const legend = [...figure.center, ...figure.above, ...figure.right]
      .filter((m) => m.type === 'Legend')[0]
    const items = legend.items.filter((item) => item.visible)
    for (const item of items) {
      const named = figure.renderers.filter((r) => r.name === item.label.value)
      const line = named.filter((r) => r.glyph.type === 'Line')[0]
      const data = line && line.data_source.data
      if (line && line.visible && data.x.length) {
        curves[item.label.value] = Array.from(data.x, (x, i) => [x, data.y[i]])
      }
    }
    for (const r of figure.renderers) {
      if (r.visible && r.glyph.type === 'Text')
        for (const text of r.data_source.data.text || []) crosses.push(text)
    }
    const {width} = view.el.getBoundingClientRect()
    return {title: figure.title.text, curves, times: crosses, width,
            x: [figure.x_range.start, figure.x_range.end],
            y: [figure.y_range.start, figure.y_range.end]}
  })
}"""


@pytest.fixture
def app(chromium, server):
    """`app(query)`: the app opened at a link; the browser must not complain of anything."""
    opened: list[App] = []

    def visit(query: str = "", width: int = 1440) -> App:
        opened.append(App(chromium, server, width))
        return opened[-1].open(query)

    yield visit
    complaints = [text for one in opened for text in one.complaints]
    for one in opened:
        one.context.close()
    assert complaints == []
