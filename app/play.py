"""A moment that runs through every picture over time, and a step size that runs by itself.

Both are paced so that no frame ever waits in line: time runs in the browser, which draws each
frame before it takes the next; the step size runs on the server, one step for each picture that
the browser says it has drawn.
"""

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import CustomJSFilter, Range1d, Span
from panel.custom import JSComponent

from app.serving import Words
from app.study import Study
from app.theme import MOMENT
from ees.experiment import STEP_COUNTS


_FRAMES = 250
_INTERVAL = 40  # milliseconds; a pass takes ten seconds

_MOVE = """
const {value, direction} = player.data
const t = value > 0 ? times.start + (times.end - times.start) * value / frames : null
// The server hears of the moment from the player; what is drawn stays here.
const here = {sync: false}
mark.setv({location: t, tags: t != null && direction ? ["playing"] : []}, here)
said.setv({text: t == null ? "" : `t = ${Number(t.toPrecision(4))}`}, here)
for (const filter of filters) filter.change.emit()
"""

# How many points of a source come before the moment; its times are its x unless it has others.
_COUNT = """
const t = source.data.t ?? source.data.x
let n = 0
while (n < t.length && !(t[n] > mark.location)) n++
"""
_PAST = f"""
if (mark.location == null || !mark.tags.length) return null
{_COUNT}
return Array.from({{length: n}}, (_, i) => i)
"""
_HERE = f"""
if (mark.location == null || !source.data.x.length) return []
{_COUNT}
return n ? [n - 1] : []
"""


class Stage:
    """What the pictures of a session share: one moment, wherever time is drawn.

    - `mark`: the line at the moment.
    - `past`: lets a curve through up to the moment while it plays, and all of it else.
    - `here`: lets the last point before the moment through, and none where there is no moment.

    All of it moves in the browser.
    """

    def __init__(self):
        self.times = Range1d(0.0, 1.0)
        self.mark = Span(
            dimension="height",
            location=None,
            line_color=MOMENT.colour,
            line_dash=list(MOMENT.dash),
            line_width=MOMENT.width,
        )
        self.past = CustomJSFilter(args={"mark": self.mark}, code=_PAST)
        self.here = CustomJSFilter(args={"mark": self.mark}, code=_HERE)


class Timeline(pn.viewable.Viewer):
    """Plays, pauses, steps and scrubs through time: a widget bound both ways to `Study.moment`.

    **Arguments:** `study`: the state; `stage`: what the pictures share.
    """

    def __init__(self, study: Study, stage: Stage, **params):
        super().__init__(**params)
        self._study, self._stage = study, stage
        self.player = pmui.Player(
            label="Moment in time",
            start=0,
            end=_FRAMES,
            value=0,
            interval=_INTERVAL,
            loop_policy="once",
            show_loop_controls=False,
            show_value=False,
            visible_buttons=["first", "previous", "pause", "play", "next", "last"],
            size="small",
            scale_buttons=0.8,
            width=260,
            margin=(0, 10),
        )
        self._said = Words("", width=80, margin=(12, 5))
        args = {
            "mark": stage.mark,
            "times": stage.times,
            "filters": [stage.past, stage.here],
            "frames": _FRAMES,
            "player": self.player,
            "said": self._said,
        }
        # Of two in one call Panel keeps the last.
        self.player.jscallback(args=args, value=_MOVE)
        self.player.jscallback(args=args, direction=_MOVE)
        self._row = pn.Row(self.player, self._said, margin=0, width=370)
        self._follow()
        self.player.param.watch(self._move, "value")
        study.param.watch(lambda event: self._follow(), ["experiment", "moment"])

    def __panel__(self):
        return self._row

    def _move(self, event) -> None:
        horizon = self._study.experiment.horizon
        self._study.moment = horizon * event.new / _FRAMES if event.new else None

    def _follow(self) -> None:
        experiment, moment = self._study.experiment, self._study.moment
        self._row.visible = experiment.question.played
        if self._stage.times.end != experiment.horizon:
            self._stage.times.end = experiment.horizon
        frame = 0 if moment is None else round(_FRAMES * moment / experiment.horizon)
        if self.player.value != frame:
            self.player.value = frame


class Screen(JSComponent):
    """What only the browser knows: whether a picture has been drawn, and how wide the page is.

    - `asked`: counts the pictures that were sent; `drawn`: follows it once they are on screen,
      which a page that nobody looks at never is.

    Where the screen is narrow, or becomes so, it closes the drawer of the controls, which would
    cover the page.
    """

    asked = param.Integer(default=0)
    drawn = param.Integer(default=0)

    _esm = """
    export function render({model, view}) {
      model.on("asked", () => setTimeout(() => requestAnimationFrame(() => {
        model.drawn = model.asked
      }), 40))
      let wide = true
      const fit = () => {
        const was = wide
        wide = window.innerWidth >= 600
        if (wide || !was) return
        for (const root of view.model.document?.roots() ?? []) {
          if (root.data?.sidebar_open) root.data.sidebar_open = false
        }
      }
      fit()
      window.addEventListener("resize", fit)
      return document.createElement("span")
    }
    """


class Sweep:
    """Plays the step size through the values of its slider, up to the largest and down again.

    **Arguments:** `study`: the state; `screen`: says when a picture is on screen; `button`:
    starts and stops it.
    """

    def __init__(self, study: Study, screen: Screen, button: pmui.Button):
        self._study, self._screen, self._button = study, screen, button
        self.running, self._coarser = False, True
        button.on_click(lambda event: self.stop() if self.running else self._start())
        screen.param.watch(lambda event: self._next(), "drawn")

    def drawn(self) -> None:
        """Says that the picture of the newest experiment was sent."""
        if self.running:
            self._screen.asked += 1

    def stop(self) -> None:
        """Stops where it is."""
        if self.running:
            self.running = False
            self._button.param.update(label="Sweep h", icon="play_arrow")
            self._study.settle()

    def _start(self) -> None:
        self.running = True
        self._button.param.update(label="Stop", icon="stop")
        self._next()

    def _next(self) -> None:
        if not self.running:
            return
        counts = sorted(STEP_COUNTS, reverse=True)
        at = counts.index(self._study.experiment.steps)
        if at == (len(counts) - 1 if self._coarser else 0):
            self._coarser = not self._coarser
        self._study.change(steps=counts[at + (1 if self._coarser else -1)])
