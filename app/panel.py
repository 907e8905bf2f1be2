"""A plot with all that belongs to it: its caption, its exports, and a table of its numbers."""

import html
import io
from functools import partial

import panel as pn
import panel_material_ui as pmui

from app import export
from app.compute import apart
from app.live import LivePlot
from app.play import Stage
from app.serving import Words, Wrapped
from app.study import Study
from app.table import table
from ees import Experiment
from ees.results import Plot


_CAPTION = """
p { margin: 0; line-height: 1.4; max-width: 75em; }
"""
_BUTTON = 30  # pixels
_TABLE = """
:host { overflow: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 4px 0; }
th, td { padding: 2px 12px 2px 0; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
th[scope=row], th:first-child { text-align: left; font-weight: 400; }
"""


class PlotPanel:
    """A plot on a page.

    **Arguments:** `blank`: a plot of this kind without series; `study`: the state; `width`: the
    control that holds the width of a figure; `stage`: what all pictures share.
    """

    def __init__(self, blank: Plot, study: Study, width: pmui.Select, stage: Stage):
        self._study, self._width = study, width
        self._experiment: Experiment | None = None
        self.live = LivePlot(blank, study.point, study.hide, stage)
        self.caption = Words(
            "", sizing_mode="stretch_width", margin=(0, 10), stylesheets=[_CAPTION]
        )
        self.table = Words(
            "",
            sizing_mode="stretch_width",
            max_height=320,
            margin=(0, 10),
            visible=False,
            stylesheets=[_TABLE],
        )
        exports = Wrapped(styles={"justify-content": "flex-end"}, min_height=_BUTTON)
        self.parts = (self.live, self.caption, exports, self.table)
        # On a page that is being opened the picture comes first.
        pn.state.onload(lambda: exports.extend(self._buttons(blank.key)))

        if study.moment is not None:
            self.live.attend()
        study.param.watch(lambda event: self.live.attend(), "moment")
        self.live.hide(study.hidden)
        study.param.watch(lambda event: self.live.hide(event.new), "hidden")

    def draw(self, experiment: Experiment, plot: Plot) -> None:
        """Draws a plot of the same kind, of an experiment."""
        self._experiment = experiment
        self.live.draw(plot)
        # Screen readers say what changes here, once the user pauses.
        words = html.escape(plot.caption or plot.title)
        said = f'<p aria-live="polite">{words}</p>'
        if self.caption.object != said:
            self.caption.object = said
        if self.table.visible:
            self.table.object = table(plot)

    def _buttons(self, key: str) -> list[pn.viewable.Viewable]:
        """A button for each format; files are made when asked for, in a thread."""
        look = {"size": "small", "variant": "text", "margin": (0, 2)}

        def button(label, kind, make):
            async def file():
                return io.BytesIO(await apart(make, self.live.plot))

            return pmui.FileDownload(
                callback=file,
                filename=f"{key}.{kind}",
                label=label,
                embed=False,
                auto=True,
                **look,
            )

        def figure(kind, shown):
            return export.figure(shown, kind, self._width.value)

        def script(shown):
            # Before the first picture there is only what will be drawn.
            experiment = self._experiment or self._study.experiment
            return export.script(experiment, shown).encode()

        numbers = pmui.Button(label="Table", icon="table_rows", **look)
        numbers.on_click(lambda event: self._tabulate())
        return [
            *(button(kind.upper(), kind, partial(figure, kind)) for kind in ("pdf", "svg", "png")),
            button("CSV", "csv", lambda shown: shown.to_csv().encode()),
            button("Python", "py", script),
            numbers,
        ]

    def _tabulate(self) -> None:
        opened = not self.table.visible
        self.table.object = table(self.live.plot) if opened else ""
        self.table.visible = opened
