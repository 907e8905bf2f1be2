"""The sidebar: a widget for each field of the experiment, bound both ways to the Study."""

from collections.abc import Callable
from typing import NamedTuple

import panel as pn
import panel_material_ui as pmui

from app.export import WIDTHS
from app.serving import Words
from app.study import Study, typed
from app.symbols import label, plain
from app.theme import STILL
from ees import MODELS, SCHEMES, Experiment
from ees.experiment import STEP_COUNTS


_TYPED = ("horizon", "seed")
_FIELDS = ("model", "equal", "horizon", "seed", "hurst", "component", "precision", "steps")

# Lowest, highest, default.
_OPTIONS = {
    "EES25": {"x": (-0.4, 0.45, 0.1)},
    "EES27": {"x": (-0.4, 0.45, 0.0541)},
    "McCallumFoster": {"coupling": (0.05, 1.0, 0.99)},
    "McCallumFosterMidpoint": {"coupling": (0.05, 1.0, 0.99)},
    "AsynchronousLeapfrog": {"damping": (0.55, 1.0, 1.0)},
}


class Controls(pn.viewable.Viewer):
    """All controls of a session."""

    def __init__(self, study: Study, **params):
        super().__init__(**params)
        self._study = study
        self._syncing, self._model = False, None
        titles = {MODELS[name]().title: name for name in MODELS}
        schemes = {SCHEMES[name]().name: name for name in SCHEMES}
        wide = {"sizing_mode": "stretch_width", "size": "small"}
        self.model = pmui.Select(label="Model", options=titles, **wide)
        self.steps = pmui.DiscreteSlider(label="Step size h", sx=STILL, **wide)
        self._counts = Words("", margin=(-8, 14, 4, 14))
        self.sweep = pmui.Button(label="Sweep h", icon="play_arrow", variant="outlined", **wide)
        self.schemes = pmui.CheckBoxGroup(
            label="Schemes", options=schemes, size="small", inline=True
        )
        self.equal = pmui.RadioButtonGroup(
            label="Compare at",
            options={"equal steps": "steps", "equal evaluations": "evaluations"},
            **wide,
        )
        # Number fields have buttons without a name; text is read, and refused, by the Study.
        self.horizon = pmui.TextInput(label="Horizon T", **wide)
        self.seed = pmui.TextInput(label="Seed of the path", **wide)
        self.another = pmui.Button(label="New path", variant="outlined", **wide)
        self.hurst = pmui.FloatSlider(
            label="Hurst index H (0.5: Brownian)",
            start=0.26,
            end=0.95,
            step=0.01,
            sx=STILL,
            **wide,
        )
        self.component = pmui.Select(label="Component drawn", **wide)
        self.precision = pmui.RadioButtonGroup(
            label="Precision", options=["float64", "float32"], **wide
        )
        self.width = pmui.Select(label="Width of exported figures", options=WIDTHS, **wide)
        self._parameters = _Knobs(self._change_parameter, study.settle)
        self._options = _Knobs(self._change_option, study.settle)
        self._noise = pn.Column(
            pn.Row(self.seed, self.another, sizing_mode="stretch_width", margin=0),
            self.hurst,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._layout = pn.Column(
            self.model, self.steps, self._counts, self.sweep, sizing_mode="stretch_width"
        )
        rest = (
            self.schemes,
            self._options,
            self.equal,
            self._parameters,
            self.horizon,
            self._noise,
            self.component,
            self.precision,
            self.width,
        )
        # On a page that is being opened the picture comes first, with what is dragged.
        pn.state.onload(lambda: self._layout.extend(rest))
        self._follow()
        for name in ("model", "schemes", "equal", "horizon", "seed", "component", "precision"):
            getattr(self, name).param.watch(self._set(name), "value")
        self.another.on_click(lambda event: self._draw_another())
        for name in ("steps", "hurst"):
            slider = getattr(self, name)
            slider.param.watch(self._set(name, settle=False), "value")
            slider.param.watch(lambda event: study.settle(), "value_throttled")
        study.param.watch(lambda event: self._follow(), "experiment")

    def __panel__(self):
        return self._layout

    def _set(self, name: str, settle: bool = True):
        def change(event):
            if self._syncing or event.new is None:
                return
            value = tuple(event.new) if isinstance(event.new, list) else event.new
            if name in _TYPED:
                value = typed(value)
            if self._study.change(**{name: value}):
                if settle:
                    self._study.settle()
            else:
                self._follow()

        return change

    def _draw_another(self) -> None:
        if self._study.change(seed=(self._study.experiment.seed + 1) % 2**31):
            self._study.settle()

    def _follow(self) -> None:
        """Every control to what the Study says."""
        experiment, was = self._study.experiment, self._syncing
        self._syncing = True
        try:
            model = experiment.subject
            counts = sorted(STEP_COUNTS, reverse=True)
            sizes = {f"{experiment.horizon / n:.4g}": n for n in counts}
            if self.steps.options != sizes:
                self.steps.param.update(options=sizes, value=experiment.steps)
            symbols = {plain(symbol): i for i, symbol in enumerate(model.components)}
            if self.component.options != symbols:
                self.component.param.update(options=symbols, value=experiment.component)
            self.component.visible = len(symbols) > 1
            if model is not self._model:
                self._model, self._noise.visible = model, model.noise_shape is not None
            for name in _FIELDS:
                widget, value = getattr(self, name), getattr(experiment, name)
                value = f"{value:.12g}" if name in _TYPED else value
                if widget.value != value:
                    widget.value = value
            if set(self.schemes.value) != set(experiment.schemes):
                self.schemes.value = list(experiment.schemes)
            self._counts.object = self._spent()
            self._parameters.follow(_parameter_knobs(experiment))
            self._options.follow(_option_knobs(experiment))
        finally:
            self._syncing = was

    def _spent(self) -> str:
        experiment = self._study.experiment
        counts = {experiment.scheme(n).name: experiment.steps_of(n) for n in experiment.schemes}
        if len(set(counts.values())) == 1:
            return f"h = {experiment.horizon / experiment.steps:.4g}, N = {experiment.steps}"
        rows = (f"{name}: N = {n}, h = {experiment.horizon / n:.4g}" for name, n in counts.items())
        return "<br>".join(rows)

    def _change_parameter(self, name: str, value: float) -> bool:
        now = dict(self._study.experiment.parameters)
        return self._study.change(parameters={**now, name: value})

    def _change_option(self, name: str, value: float) -> bool:
        scheme, option = name.split(".")
        now = {name: dict(given) for name, given in self._study.experiment.options.items()}
        now.setdefault(scheme, {})[option] = value
        return self._study.change(options=now)


def _parameter_knobs(experiment: Experiment) -> list["Knob"]:
    return [
        Knob(p.name, label(p), p.low, p.high, p.value, p.whole)
        for p in experiment.subject.parameters
    ]


def _option_knobs(experiment: Experiment) -> list["Knob"]:
    return [
        Knob(
            f"{scheme}.{option}",
            f"{option} of {experiment.scheme(scheme).name}",
            low,
            high,
            experiment.options.get(scheme, {}).get(option, default),
        )
        for scheme in experiment.schemes
        for option, (low, high, default) in _OPTIONS.get(scheme, {}).items()
    ]


class Knob(NamedTuple):
    """A number that a slider sets: a name, a label, a closed range, its value, whether whole."""

    name: str
    label: str
    low: float
    high: float
    value: float
    whole: bool = False


class _Knobs(pn.viewable.Viewer):
    """Sliders that follow a list of knobs, and are built anew only for other knobs.

    **Arguments:** `change(name, value)`: is told of a move and says whether it fitted;
    `release()`: is told when a slider is let go.
    """

    def __init__(self, change: Callable[[str, float], bool], release: Callable[[], None], **params):
        super().__init__(**params)
        self._change, self._release = change, release
        self._knobs: list[Knob] = []
        self._following = False
        self._column = pn.Column(sizing_mode="stretch_width", margin=0)

    def __panel__(self):
        return self._column

    def follow(self, knobs: list[Knob]) -> None:
        """The sliders of these knobs, at their values."""
        was, self._following = self._following, True
        try:
            if [k[:4] for k in knobs] != [k[:4] for k in self._knobs]:
                self._column[:] = [self._slider(knob) for knob in knobs]
            self._knobs = knobs
            for slider, knob in zip(self._column, knobs):
                if slider.value != knob.value:
                    slider.value = knob.value
        finally:
            self._following = was

    def _slider(self, knob: Knob):
        slider = pmui.FloatSlider(
            label=knob.label,
            start=knob.low,
            end=knob.high,
            step=1.0 if knob.whole else (knob.high - knob.low) / 1000,
            value=knob.value,
            sizing_mode="stretch_width",
            size="small",
            sx=STILL,
        )

        def change(event):
            if self._following or event.new is None:
                return
            if not self._change(knob.name, float(event.new)):
                self.follow(self._knobs)

        slider.param.watch(change, "value")
        slider.param.watch(lambda event: self._release(), "value_throttled")
        return slider
