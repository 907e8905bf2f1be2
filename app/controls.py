"""The sidebar: a widget for each field of the experiment, bound both ways to the Study."""

from collections.abc import Callable
from typing import NamedTuple

import panel as pn
import panel_material_ui as pmui

from app.export import WIDTHS
from app.study import Study
from ees import MODELS, SCHEMES, Experiment
from ees.experiment import STEP_COUNTS


# Lowest, highest, default.
_OPTIONS = {
    "EES25": {"x": (-0.4, 0.45, 0.1)},
    "EES27": {"x": (-0.4, 0.45, 0.0541)},
}

_GREEK = {"theta": "θ", "mu": "μ", "sigma": "σ", "alpha": "α", "kappa": "κ", "rho": "ρ", "beta": "β"}


class Controls(pn.viewable.Viewer):
    """All controls of a session."""

    def __init__(self, study: Study, **params):
        super().__init__(**params)
        self._study = study
        self._syncing = False
        titles = {MODELS[name]().title: name for name in MODELS}
        schemes = {SCHEMES[name]().name: name for name in SCHEMES}
        wide = {"sizing_mode": "stretch_width", "size": "small"}
        self.model = pmui.Select(label="Model", options=titles, **wide)
        self.steps = pmui.DiscreteSlider(label="Step size h", **wide)
        self._counts = pn.pane.HTML("", margin=(-8, 14, 4, 14))
        self.schemes = pmui.CheckBoxGroup(label="Schemes", options=schemes, size="small", inline=True)
        self.equal = pmui.RadioButtonGroup(
            label="Compare at",
            options={"equal steps": "steps", "equal evaluations": "evaluations"},
            **wide,
        )
        self.horizon = pmui.FloatInput(label="Horizon T", step=1.0, **wide)
        self.seed = pmui.IntInput(label="Seed of the path", start=0, step=1, **wide)
        self.component = pmui.Select(label="Component drawn", **wide)
        self.precision = pmui.RadioButtonGroup(
            label="Precision", options=["float64", "float32"], **wide
        )
        self.width = pmui.Select(label="Width of exported figures", options=WIDTHS, **wide)
        self._parameters = _Knobs(self._change_parameter, study.settle)
        self._options = _Knobs(self._change_option, study.settle)
        self._layout = pmui.Column(
            self.model,
            self.steps,
            self._counts,
            self.schemes,
            self._options,
            self.equal,
            self._parameters,
            self.horizon,
            self.seed,
            self.component,
            self.precision,
            self.width,
            sizing_mode="stretch_width",
        )
        self._follow()
        for name in ("model", "schemes", "equal", "horizon", "seed", "component", "precision"):
            getattr(self, name).param.watch(self._set(name), "value")
        self.steps.param.watch(self._set("steps", settle=False), "value")
        self.steps.param.watch(lambda event: study.settle(), "value_throttled")
        study.param.watch(lambda event: self._follow(), "experiment")

    def __panel__(self):
        return self._layout

    def _set(self, name: str, settle: bool = True):
        def change(event):
            if self._syncing or event.new is None:
                return
            value = tuple(event.new) if isinstance(event.new, list) else event.new
            if self._study.change(**{name: value}):
                if settle:
                    self._study.settle()
            else:
                self._follow()

        return change

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
            symbols = {_plain(symbol): i for i, symbol in enumerate(model.components)}
            if self.component.options != symbols:
                self.component.param.update(options=symbols, value=experiment.component)
            self.component.visible = len(symbols) > 1
            for name in ("model", "equal", "horizon", "seed", "component", "precision", "steps"):
                widget, value = getattr(self, name), getattr(experiment, name)
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
        Knob(p.name, _greek(p.name) + (f" ({p.unit})" if p.unit else ""), p.low, p.high, p.value)
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
    """A number that a slider sets: a name, a label, a closed range, and its value."""

    name: str
    label: str
    low: float
    high: float
    value: float


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
        self._column = pmui.Column(sizing_mode="stretch_width", margin=0)

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
        slider = pmui.EditableFloatSlider(
            label=knob.label,
            start=knob.low,
            end=knob.high,
            fixed_start=knob.low,
            fixed_end=knob.high,
            step=(knob.high - knob.low) / 1000 if knob.high - knob.low < 90 else 1.0,
            value=knob.value,
            sizing_mode="stretch_width",
            size="small",
        )

        def change(event):
            if self._following or event.new is None:
                return
            if not self._change(knob.name, float(event.new)):
                self.follow(self._knobs)

        slider.param.watch(change, "value")
        slider.param.watch(lambda event: self._release(), "value_throttled")
        return slider


def _greek(name: str) -> str:
    return _GREEK.get(name, name)


def _plain(symbol: str) -> str:
    return symbol.replace("_", "")
