"""The whole app: header, sidebar, pages, and what connects them."""

import contextlib
import html
import time
from functools import partial

import jax
import panel as pn
import panel_material_ui as pmui

from app.compute import Computation, soon
from app.controls import Controls
from app.pages import Page
from app.play import Screen, Stage, Sweep, Timeline
from app.serving import Words, Wrapped, answer_at_once, early, meanwhile, one_picture
from app.study import Study
from app.views import PAGES
from ees import Experiment, run
from ees.results import Report


pn.extension("mathjax")

answer_at_once()

_WIDE_ONLY = {"@media (max-width: 600px)": {"display": "none"}}
_SHORT = 1.0  # second of work that foretells the rest
_REST = 250  # milliseconds
_AT_ONCE = 0.1  # seconds

_LINES = 66  # pixels, of three lines of messages

# The picture is there before the page is at rest, and not to be dimmed until then.
_LOADING = "#loader { background: none; pointer-events: none; }"

_MESSAGES = """
:host { overflow-y: auto; }
ul { margin: 0; padding-left: 1.1em; line-height: 1.35; }
li.refused { color: #e53935; font-weight: 600; }
"""


class Explorer(pn.viewable.Viewer):
    """The whole app in one object: in a served page, or in a notebook's cell.

    **Arguments:** `study`: the state; a new one unless given.
    """

    def __init__(self, study: Study | None = None, **params):
        super().__init__(**params)
        self.study = Study() if study is None else study
        self.controls = Controls(self.study)
        self.computation = Computation(self._show, self._failed)
        width = self.controls.width
        stage = Stage()
        self.pages = {name: Page(view, self.study, width, stage) for name, view in PAGES.items()}
        self._timeline = Timeline(self.study, stage)
        self.screen = Screen(width=0, height=0, margin=0)
        self._sweep = Sweep(self.study, self.screen, self.controls.sweep)
        self._equation = pn.pane.LaTeX(
            "",
            styles={"font-size": "1.15em", "max-width": "100%", "overflow": "auto hidden"},
            margin=(4, 10),
        )
        # Beside a short equation, below a long one.
        self._why = Words("", sanitize_html=True, styles={"flex": "1 1 22em"}, margin=(0, 10))
        self._messages = Words(
            "",
            sizing_mode="stretch_width",
            min_height=_LINES,
            margin=(2, 10),
            styles={"flex": "1 1 20em"},
            stylesheets=[_MESSAGES],
        )
        self._progress = pmui.LinearProgress(
            value=0,
            variant="determinate",
            sizing_mode="stretch_width",
            margin=(12, 10),
            styles={"flex": "1 1 12em"},
        )
        self._doing = Words("", sanitize_html=True, width=330, margin=(4, 10))
        self._stop = pmui.Button(label="Cancel", color="primary", variant="outlined", size="small")
        # Both are always there: where one comes or goes, the page is laid out again, 100 ms.
        self._again = pmui.Button(label="Go on", variant="outlined", size="small", disabled=True)
        # Filled for the first page that shows it.
        self._work = Wrapped()
        self._tabs = pmui.Tabs(
            *((page.view.title, page) for page in self.pages.values()),
            active=list(PAGES).index(self.study.experiment.view),
            dynamic=False,
            sizing_mode="stretch_width",
        )
        self._facts: tuple[str, ...] = ()
        self._halted = False
        self._begun: tuple[float, int] | None = None
        self._stop.on_click(self._cancel)
        self._again.on_click(lambda event: self.refresh())
        self._tabs.param.watch(self._turn, "active")
        self.study.param.watch(self._changed, ["experiment"])
        self.study.param.watch(lambda event: self._say(), ["refused"])
        self._describe()
        self._say()

    def __panel__(self):
        return pn.Row(
            pn.Column(self.controls, self.screen, width=330),
            self.main,
            sizing_mode="stretch_width",
        )

    @property
    def main(self) -> pn.Column:
        """Everything but the controls."""
        return pn.Column(
            Wrapped(self._equation, self._why),
            Wrapped(self._messages, self._timeline, styles={"align-items": "center"}),
            self._work,
            self._tabs,
            sizing_mode="stretch_width",
        )

    def refresh(self) -> None:
        """Computes the page that is open; the others compute when they are opened."""
        pn.state.execute(self._refresh)

    async def _refresh(self) -> None:
        self._halted = False
        experiment = self.study.experiment
        self._begun = None
        if experiment.question.steady:
            # What was said of the run before does not hold for this one.
            self._progress.value, self._doing.object = 0, "starting"
        await self.computation.run(experiment, experiment.question.steady)

    def _changed(self, event) -> None:
        self._tabs.active = list(PAGES).index(event.new.view)
        if event.new.question is not event.old.question:
            self._facts = ()
            self._say()
        self._describe()
        self.refresh()

    def _turn(self, event) -> None:
        view = list(PAGES)[event.new]
        if view != self.study.experiment.view:
            # Whoever comes back finds the part that was open.
            if self.study.change(view=view, part=self.pages[view].part):
                self.study.settle()

    def _describe(self) -> None:
        experiment = self.study.experiment
        self._work.visible = steady = experiment.question.steady
        if steady and not self._work:
            self._work[:] = [self._progress, self._doing, self._stop, self._again]
        model = experiment.subject
        equation = f"$${model.latex}$$"
        if self._equation.object != equation:
            self._equation.object = equation
            self._why.object = f"<b>{html.escape(model.title)}.</b> {html.escape(model.why)}"

    def _show(self, experiment: Experiment, report: Report) -> None:
        # What draws changes Bokeh models, for which a served document must be locked.
        pn.state.execute(partial(self.draw, experiment, report), schedule=True)

    def draw(self, experiment: Experiment, report: Report) -> None:
        """Draws a report on its page."""
        with one_picture():
            self.pages[experiment.view].draw(experiment, report)
            if experiment.question is self.study.experiment.question:
                self._tell(report)
        if experiment is self.study.experiment and report.done == report.total:
            self._sweep.drawn()

    def _tell(self, report: Report) -> None:
        """Messages and progress of the page that is open."""
        # A report without plots tells how far it is, and nothing new.
        if report.plots:
            self._facts = report.messages
            self._say()
        if self._halted or not self.study.experiment.question.steady:
            return
        unfinished = report.done < report.total
        self._progress.value = int(100 * report.done / report.total)
        doing = f"computing {report.doing}" if unfinished else "all computed"
        doing = f"{report.done} of {report.total}{self._left(report)}: {doing}"
        self._doing.object = html.escape(doing)
        self._stop.disabled, self._again.disabled = not unfinished, True

    def _left(self, report: Report) -> str:
        """How long the rest will take, by what was computed since the first report."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, report.done
        begun, known = self._begun
        if now - begun < _SHORT or not known < report.done < report.total:
            return ""
        seconds = (now - begun) / (report.done - known) * (report.total - report.done)
        return f", about {max(round(seconds), 1)} s left"

    def _failed(self, experiment: Experiment, error: Exception) -> None:
        pn.state.execute(partial(self._regret, error), schedule=True)

    def _regret(self, error: Exception) -> None:
        self._sweep.stop()
        self._facts = (f"The computation failed, the last picture stays: {error}",)
        self._halt("Failed; what was computed stays.")
        self._say()

    def _cancel(self, event) -> None:
        self._sweep.stop()
        self.computation.cancel()
        self._halt("Cancelled; what was computed stays.")

    def _halt(self, why: str) -> None:
        self._halted, self._doing.object = True, why
        self._stop.disabled, self._again.disabled = True, False

    def _say(self) -> None:
        lines = [("refused", text) for text in self.study.refused]
        lines += [("fact", text) for text in self._facts]
        shown = "".join(f'<li class="{kind}">{html.escape(text)}</li>' for kind, text in lines)
        shown = f'<ul role="status">{shown}</ul>'
        # Plots must not jump below as paths leave while a slider moves; what was refused is read.
        still = self.study.experiment.question.played and not self.study.refused
        room = _LINES * (1 if still else 3)
        if self._messages.max_height != room:
            self._messages.max_height = room
        if self._messages.object != shown:
            self._messages.object = shown


def explore(**fields) -> Explorer:
    """The whole app in a notebook's cell.

    **Arguments:** fields of `ees.Experiment`, for instance `model="kepler"`.

    **Raises:** `ValueError` as `ees.Experiment`.
    """
    experiment = Experiment(**fields)
    explorer = Explorer(Study(experiment=experiment))
    if experiment.question.steady:
        explorer.refresh()
    else:
        explorer.draw(experiment, run(experiment))
    return explorer


def page() -> pmui.Page:
    """The app as a page of its own, with its state in the address."""
    # Said for each session, or its page loads the scripts of everything that Panel has.
    pn.extension("mathjax", js_files={"early": early(pmui.Page)}, raw_css=[_LOADING])
    made = pmui.Page(title="EES Explorer", sidebar_width=340, busy_indicator=None)
    meanwhile(partial(_furnish, made))
    return made


def _furnish(empty: pmui.Page) -> None:
    """Puts the app into its page."""
    study = Study()
    location = pn.state.location
    if location is not None and location.search:
        study.read(location.search)
    # Before what else waits for the page to be there.
    pn.state.onload(lambda: explorer.refresh())
    explorer = Explorer(study)
    if location is not None:
        _bind(location, study)
    # What is computed already comes with the page. Later it has to wait until the page is there:
    # BokehJS does not finish a figure that gets its glyphs while it is laid out.
    experiment = study.experiment
    report = None if experiment.question.steady else soon(experiment, _AT_ONCE)
    if report is not None:
        explorer.draw(experiment, report)
    pn.state.on_session_destroyed(lambda context: explorer.computation.close())
    device = jax.devices()[0]
    name = "the CPU" if device.platform == "cpu" else f"{device.platform}: {device.device_kind}"
    empty.param.update(
        header=[
            pmui.Chip(label=f"computes on {name}", size="small", align="center", sx=_WIDE_ONLY),
            _share(),
            explorer.screen,
        ],
        sidebar=[explorer.controls],
        main=[explorer.main],
    )


def _share() -> pmui.Button:
    """Copies the address, which holds the whole state, in the browser."""
    button = pmui.Button(
        label="Copy link", icon="link", size="small", variant="text", color="light", align="center"
    )
    button.js_on_click(code="navigator.clipboard.writeText(window.location.href)")
    return button


def _bind(location, study: Study) -> None:
    """State and address follow each other; the address, once the user has come to rest."""
    document, waiting = pn.state.curdoc, None

    def write():
        if location.search != study.query():
            location.search = study.query()

    def settled(event):
        nonlocal waiting
        # The picture comes first.
        with contextlib.suppress(ValueError):
            document.remove_timeout_callback(waiting)
        waiting = document.add_timeout_callback(write, _REST)

    def read(event):
        if event.new != study.query():
            study.read(event.new)

    study.param.watch(settled, "settled")
    location.param.watch(read, "search")
