"""What a question is: pictures that are asked of an experiment, and what there is to choose."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ees.results import Plot, Report


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few things that a user picks.

    - `label`: for people; `options`: value -> words, the first is the default.
    """

    label: str
    options: Mapping[str, str]

    @property
    def default(self) -> str:
        return next(iter(self.options))

    def allowed(self) -> str:
        """What `holds` takes, in words."""
        return ", ".join(self.options)

    def holds(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.options


@dataclasses.dataclass(frozen=True)
class Number:
    """A number that a user sets.

    - `label`: for people; `low`, `high`: the closed range; `whole`: whether it is an integer.
    - `log`: whether equal ratios of it are equally far apart.
    - `matters`: the name of another choice and the value of it without which this number means
      nothing, if there is one.
    """

    label: str
    default: float
    low: float
    high: float
    whole: bool = False
    log: bool = False
    matters: tuple[str, str] | None = None

    def allowed(self) -> str:
        """What `holds` takes, in words."""
        kind = "whole number" if self.whole else "number"
        return f"every {kind} from {self.low} to {self.high}"

    def holds(self, value: Any) -> bool:
        kinds = int if self.whole else int | float
        number = isinstance(value, kinds) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Component(Number):
    """One of the model's components, by index; where there is none, the last one."""

    def of(self, experiment, name: str) -> int:
        """The component that an experiment's choice of that name means."""
        return min(int(experiment.choice(name)), len(experiment.subject.components) - 1)


@dataclasses.dataclass(frozen=True)
class Question:
    """A part of a view: it asks one thing of an experiment.

    - `ask`: from an experiment to reports, each with all that is known so far.
    - `blanks`: the plots without series: keys and axes, before anything is computed.
    - `choices`: name -> what a user may choose about it; `experiment.choice(name)` is the choice.
    - `steady`: whether the numbers take long enough for a progress bar.
    - `pointed`: from an experiment, the key of a plot and a point of it that the user clicks on,
      to the fields of the experiment that this changes.
    - `played`: whether its pictures run along time, and can be played.
    """

    ask: Callable[[Any], Iterator[Report]]
    blanks: tuple[Plot, ...]
    choices: Mapping[str, Choice | Number] = dataclasses.field(default_factory=dict)
    steady: bool = False
    pointed: Callable[[Any, str, float, float], Mapping[str, Any]] | None = None
    played: bool = False
