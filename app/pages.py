"""A page: one view on screen, part by part."""

import panel as pn
import panel_material_ui as pmui

from app.choices import Choices
from app.panel import PlotPanel
from app.play import Stage
from app.study import Study
from app.views import View
from ees import Experiment
from ees.questions import VIEWS
from ees.results import Report


class Page(pn.viewable.Viewer):
    """One view on screen: its question, its parts, and of the one that is open all plots.

    **Arguments:** `view`: what is asked; `study`: the state; `width`: the control that holds the
    width of a figure; `stage`: what all pictures share.
    """

    def __init__(self, view: View, study: Study, width: pmui.Select, stage: Stage, **params):
        super().__init__(**params)
        self.view, self._study, self._width, self._stage = view, study, width, stage
        self._panels: dict[str, PlotPanel] = {}
        # Page and parts are each made when they are opened: a session opens few of them. Columns
        # of Material UI would lay out figures that arrive before they are there.
        self._layout = pn.Column(sizing_mode="stretch_width", margin=0)
        self._sections = {
            name: pn.Column(sizing_mode="stretch_width", margin=0) for name in view.parts
        }
        self._parts: pmui.Tabs | None = None
        self._follow()
        study.param.watch(lambda event: self._follow(), "experiment")

    def __panel__(self):
        return self._layout

    def draw(self, experiment: Experiment, report: Report) -> None:
        """Draws a report's plots."""
        for plot in report.plots:
            self._panels[plot.key].draw(experiment, plot)

    def _open(self) -> pmui.Tabs:
        """Fills the page, once."""
        if self._parts is None:
            # Tabs, because BokehJS never finishes a page with a figure that is drawn and not seen;
            # what a tab holds is drawn when it is opened.
            self._parts = pmui.Tabs(
                *((part.title, self._sections[name]) for name, part in self.view.parts.items()),
                dynamic=False,
                sizing_mode="stretch_width",
            )
            self._parts.param.watch(self._turn, "active")
            self._layout[:] = [pmui.Typography(self.view.question, variant="h5"), self._parts]
        return self._parts

    def _make(self, name: str) -> None:
        """Fills the section of a part, once."""
        part, question = self.view.parts[name], VIEWS[self.view.name][name]
        if self._sections[name]:
            return
        panels = {
            blank.key: PlotPanel(blank, self._study, self._width, self._stage)
            for blank in question.blanks
        }
        self._panels |= panels
        self._sections[name][:] = [
            Choices(question, self._study),
            *(part for panel in panels.values() for part in panel.parts),
            pn.pane.Markdown(part.help, sizing_mode="stretch_width"),
        ]

    @property
    def part(self) -> str:
        """The name of the part that is open."""
        return list(self.view.parts)[0 if self._parts is None else self._parts.active]

    def _turn(self, event) -> None:
        experiment = self._study.experiment
        if experiment.view == self.view.name and experiment.part != self.part:
            if self._study.change(part=self.part):
                self._study.settle()

    def _follow(self) -> None:
        experiment = self._study.experiment
        if experiment.view == self.view.name:
            self._make(experiment.part)
            self._open().active = list(self.view.parts).index(experiment.part)
