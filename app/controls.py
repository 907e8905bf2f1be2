"""The sidebar: a widget for each field of the experiment, bound both ways to the Study."""

import panel as pn
import panel_material_ui as pmui
import param

from app.export import WIDTHS
from app.study import Study
from ees import MODELS, SCHEMES
from ees.experiment import STEP_COUNTS


_OPTIONS = {
    "EES25": {"x": (-0.4, 0.45, 0.1)},
    "EES27": {"x": (-0.4, 0.45, 0.0541)},
}


_GREEK = {"theta": "θ", "mu": "μ", "sigma": "σ", "alpha": "α", "kappa": "κ", "rho": "ρ", "beta": "β"}


class Controls(pn.viewable.Viewer):
    """All controls of a session.

    - `released`: counts the times that a control was let go with a new experiment.
    """

    released = param.Integer(default=0)

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
        self._parameters = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._options = pmui.Column(sizing_mode="stretch_width", margin=0)
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
        self.steps.param.watch(self._set("steps", release=False), "value")
        self.steps.param.watch(lambda event: self._release(), "value_throttled")
        study.param.watch(lambda event: self._follow(), "experiment")

    def __panel__(self):
        return self._layout

    def _set(self, name: str, release: bool = True):
        def change(event):
            if self._syncing or event.new is None:
                return
            value = tuple(event.new) if isinstance(event.new, list) else event.new
            if self._study.change(**{name: value}):
                if release:
                    self._release()
            else:
                self._follow()

        return change

    def _release(self) -> None:
        self.released += 1

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
            self._follow_parameters()
            self._follow_options()
        finally:
            self._syncing = was

    def _spent(self) -> str:
        experiment = self._study.experiment
        counts = {experiment.scheme(n).name: experiment.steps_of(n) for n in experiment.schemes}
        if len(set(counts.values())) == 1:
            return f"h = {experiment.horizon / experiment.steps:.4g}, N = {experiment.steps}"
        rows = (f"{name}: N = {n}, h = {experiment.horizon / n:.4g}" for name, n in counts.items())
        return "<br>".join(rows)

    def _follow_parameters(self) -> None:
        parameters = self._study.experiment.subject.parameters
        sliders = list(self._parameters)
        if [(s.name, s.start, s.end) for s in sliders] != [
            (p.name, p.low, p.high) for p in parameters
        ]:
            sliders = [self._slider(p.name, p.low, p.high, p.value, p.unit) for p in parameters]
            self._parameters[:] = sliders
        for slider, parameter in zip(sliders, parameters):
            if slider.value != parameter.value:
                slider.value = parameter.value

    def _slider(self, name, low, high, value, unit):
        shown = _GREEK.get(name, name)
        slider = pmui.EditableFloatSlider(
            name=name,
            label=f"{shown} ({unit})" if unit else shown,
            start=low,
            end=high,
            fixed_start=low,
            fixed_end=high,
            step=(high - low) / 1000 if high - low < 90 else 1.0,
            value=value,
            sizing_mode="stretch_width",
            size="small",
        )

        def change(event):
            if not self._syncing and event.new is not None:
                now = dict(self._study.experiment.parameters)
                if not self._study.change(parameters={**now, name: float(event.new)}):
                    self._follow()

        slider.param.watch(change, "value")
        slider.param.watch(lambda event: self._release(), "value_throttled")
        return slider

    def _follow_options(self) -> None:
        experiment = self._study.experiment
        wanted = [(s, o) for s in experiment.schemes for o in _OPTIONS.get(s, ())]
        sliders = list(self._options)
        if [s.name for s in sliders] != [f"{s}.{o}" for s, o in wanted]:
            sliders = [self._option(scheme, option) for scheme, option in wanted]
            self._options[:] = sliders
        for slider, (scheme, option) in zip(sliders, wanted):
            value = experiment.options.get(scheme, {}).get(option, _OPTIONS[scheme][option][2])
            if slider.value != value:
                slider.value = value

    def _option(self, scheme, option):
        low, high, default = _OPTIONS[scheme][option]
        slider = pmui.FloatSlider(
            name=f"{scheme}.{option}",
            label=f"{option} of {SCHEMES[scheme]().name}",
            start=low,
            end=high,
            step=0.01,
            value=default,
            sizing_mode="stretch_width",
            size="small",
        )

        def change(event):
            if not self._syncing:
                now = {name: dict(given) for name, given in self._study.experiment.options.items()}
                now.setdefault(scheme, {})[option] = float(event.new)
                if not self._study.change(options=now):
                    self._follow()

        slider.param.watch(change, "value")
        slider.param.watch(lambda event: self._release(), "value_throttled")
        return slider


def _plain(symbol: str) -> str:
    return symbol.replace("_", "")
