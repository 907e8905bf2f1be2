"""Study: the one state of a session. Everything on screen is a function of it.

It holds an `ees.Experiment`, which is always valid: a change that does not fit is refused with a
message, and what was there stays.
"""

import dataclasses
import math
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

from ees import Experiment
from ees.experiment import STEP_COUNTS
from ees.results import Plot


VERSION = "1"
_LONGEST = 4000
_WORDS = ("view", "part", "model", "equal", "precision")
_PLAIN = ("view", "part", "steps", "horizon", "equal", "seed", "hurst", "component", "precision")
_MAPPINGS = {"c": "choices", "p": "parameters"}


class Study(param.Parameterized):
    """The state of a session.

    - `experiment`: what is computed and shown.
    - `refused`: messages on what was asked for and not taken, empty after a good change.
    - `settled`: counts the times that the user came to rest: let a control go, turned a page.
    - `moment`: the time that is marked on every plot over time, `None` if there is none.
    - `hidden`: the keys of the series that no plot shows.
    """

    experiment = param.ClassSelector(class_=Experiment, default=Experiment())
    refused = param.ClassSelector(class_=tuple, default=())
    settled = param.Integer(default=0)
    moment = param.Number(default=None, allow_None=True)
    hidden = param.ClassSelector(class_=frozenset, default=frozenset())

    def change(self, **fields: Any) -> bool:
        """Changes fields of the experiment, all of them or none.

        A change of model starts from that model's defaults, and a change of view from its first
        part. **Returns:** whether it fitted.
        """
        try:
            if fields.get("view", self.experiment.view) != self.experiment.view:
                fields = {"part": None, **fields}
            if fields.get("model", self.experiment.model) != self.experiment.model:
                fresh = {"parameters": {}, "horizon": None, "steps": None, "component": 0}
                fields = {**fresh, **fields}
            changed = dataclasses.replace(self.experiment, **fields)
        except (ValueError, TypeError) as error:
            self.refused = (str(error)[:400],)
            return False
        self._take(changed, ())
        return True

    def point(self, plot: Plot, x: float, y: float) -> None:
        """Takes a click at a point of a plot: to the question that drew it, if that listens.

        Else the nearest step size where that is drawn along x, or the moment where time is.
        """
        experiment = self.experiment
        pointed, horizon = experiment.question.pointed, experiment.horizon
        fields = pointed(experiment, plot.key, x, y) if pointed else {}
        if not fields and plot.x.symbol == "t":
            self.moment = min(max(x, 0.0), horizon)
        elif not fields and plot.x.symbol == "h" and x > 0:
            fields = {"steps": min(STEP_COUNTS, key=lambda n: abs(math.log(horizon / n / x)))}
        if fields and self.change(**fields):
            self.settle()

    def hide(self, key: str, hidden: bool) -> None:
        """Hides the series of a key on every plot, or shows them again."""
        self.hidden = turned(self.hidden, key, hidden)

    def settle(self) -> None:
        """Says that the user came to rest, which is when the address is worth writing."""
        self.settled += 1

    def query(self) -> str:
        """The experiment as the query of a link, starting with a question mark."""
        return "?" + urlencode(to_pairs(self.experiment))

    def read(self, query: str) -> None:
        """Takes over the experiment that a link's query describes.

        What does not fit is replaced by its default, and `refused` says so.
        """
        experiment, messages = from_query(query)
        self._take(experiment, messages)

    def _take(self, experiment: Experiment, refused: tuple[str, ...]) -> None:
        if self.moment is not None and self.moment > experiment.horizon:
            self.moment = None
        self.param.update(experiment=experiment, refused=refused)


def covers(hidden: frozenset[str], key: str) -> bool:
    """Whether a series is hidden: by its own key, or with all of its scheme's."""
    return not hidden.isdisjoint((key, key.partition("/")[0]))


def turned(hidden: frozenset[str], key: str, away: bool) -> frozenset[str]:
    """The hidden keys once one more is hidden, or shown again with all of its scheme's."""
    return hidden | {key} if away else hidden - {key, key.partition("/")[0]}


def to_pairs(experiment: Experiment) -> list[tuple[str, str]]:
    """An experiment as the names and values of a query, its own defaults left out."""
    plain = Experiment(model=experiment.model, view=experiment.view)
    pairs = [("v", VERSION), ("model", experiment.model)]
    for name in _PLAIN:
        value = getattr(experiment, name)
        if value != getattr(plain, name) or name in ("view", "steps"):
            pairs.append((name, str(value)))
    pairs.append(("schemes", ",".join(experiment.schemes)))
    pairs += [(f"c.{name}", str(value)) for name, value in experiment.choices.items()]
    pairs += [(f"p.{name}", repr(value)) for name, value in experiment.parameters.items()]
    for scheme, arguments in experiment.options.items():
        pairs += [(f"{scheme}.{name}", repr(value)) for name, value in arguments.items()]
    return pairs


def from_query(query: str) -> tuple[Experiment, tuple[str, ...]]:
    """An experiment from a link's query, and messages on what in it was not understood."""
    if len(query) > _LONGEST:
        return Experiment(), (f"The link is longer than {_LONGEST} characters; it is ignored.",)
    fields: dict[str, Any] = {}
    messages = []
    for name, text in parse_qsl(query.lstrip("?"), keep_blank_values=True):
        head, _, tail = name.partition(".")
        if name in ("theme", "bokeh-session-id"):
            continue
        if name == "v":
            if text != VERSION:
                messages.append(f"The link has version {text[:20]!r}; this is version {VERSION}.")
        elif head in _MAPPINGS and tail:
            fields.setdefault(_MAPPINGS[head], {})[tail] = typed(text)
        elif tail:
            fields.setdefault("options", {}).setdefault(head, {})[tail] = typed(text)
        elif name == "schemes":
            fields[name] = tuple(text.split(","))
        else:
            fields[name] = text if name in _WORDS else typed(text)
    experiment, complaints = Experiment.repaired(fields)
    return experiment, (*messages, *complaints)


def typed(text: str) -> int | float | str:
    """What a user typed: a number where it is one, else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
