"""What there is to choose about a question, as widgets beside its plots."""

import panel as pn
import panel_material_ui as pmui

from app.serving import Wrapped
from app.study import Study
from app.symbols import plain
from app.theme import STILL
from ees.questions import CHOICES, Choice, Component, Number, Question


_MARKS = 60


class Choices(pn.viewable.Viewer):
    """A widget for each choice of a question, bound both ways to the Study."""

    def __init__(self, question: Question, study: Study, **params):
        super().__init__(**params)
        self._study, self._following = study, False
        self._widgets = {name: self._widget(name, c) for name, c in question.choices.items()}
        self._row = Wrapped(*self._widgets.values(), visible=bool(self._widgets))
        self._follow()
        study.param.watch(lambda event: self._follow(), "experiment")

    def __panel__(self):
        return self._row

    def _widget(self, name: str, choice: Choice | Number):
        if isinstance(choice, Choice | Component):
            options = self._options(choice)
            # Room above for the label, which stands on the border.
            widget = pmui.Select(
                label=choice.label, options=options, size="small", width=230, margin=(12, 10, 5, 10)
            )
            released = "value"
        elif choice.log:
            values = _ladder(choice)
            widget = pmui.DiscreteSlider(
                label=choice.label, options=values, size="small", width=230, sx=STILL
            )
            released = "value_throttled"
        else:
            widget = pmui.FloatSlider(
                label=choice.label,
                start=choice.low,
                end=choice.high,
                step=1.0 if choice.whole else (choice.high - choice.low) / 1000,
                size="small",
                width=230,
                sx=STILL,
            )
            released = "value_throttled"

        def change(event):
            if self._following or event.new is None:
                return
            value = int(event.new) if isinstance(choice, Number) and choice.whole else event.new
            now = self._study.experiment.choices
            if not self._study.change(choices={**now, name: value}):
                self._follow()

        widget.param.watch(change, "value")
        widget.param.watch(lambda event: self._following or self._study.settle(), released)
        return widget

    def _options(self, choice: Choice | Component) -> dict[str, str | int]:
        if isinstance(choice, Choice):
            return {words: value for value, words in choice.options.items()}
        symbols = self._study.experiment.subject.components
        return {plain(symbol): index for index, symbol in enumerate(symbols)}

    def _follow(self) -> None:
        """Every widget to what the Study says."""
        was, self._following = self._following, True
        try:
            for name, widget in self._widgets.items():
                value, choice = self._study.experiment.choice(name), CHOICES[name]
                if isinstance(choice, Component):
                    options, value = self._options(choice), choice.of(self._study.experiment, name)
                    if widget.options != options:
                        widget.param.update(options=options, value=value)
                if isinstance(widget, pmui.DiscreteSlider):
                    value = min(widget.options.values(), key=lambda mark: abs(mark - value))
                if widget.value != value:
                    widget.value = value
                if isinstance(choice, Number) and choice.matters:
                    other, wanted = choice.matters
                    widget.visible = self._study.experiment.choice(other) == wanted
        finally:
            self._following = was


def _ladder(number: Number) -> dict[str, float]:
    """Marks of a logarithmic slider: words -> value, in even ratios."""
    ratio = (number.high / number.low) ** (1 / _MARKS)
    marks = [number.low * ratio**i for i in range(_MARKS)] + [number.high]
    marks = [round(mark) if number.whole else float(f"{mark:.3g}") for mark in marks]
    return {f"{mark:.4g}": mark for mark in sorted({*marks, number.default})}
