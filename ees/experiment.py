"""Experiment: all that a user sees, described in a few plain values; `run` computes it.

Widgets, links, notebooks and exported scripts all speak Experiment, so that the same one gives
the same numbers everywhere.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

from ees._checks import (
    check_among,
    check_mapping,
    check_number,
    check_whole,
    entry_of,
    shortly,
)
from ees.drivers import LATTICE, AbstractDriver, BrownianPath, FractionalBrownian, divisors
from ees.fields import AbstractField
from ees.models import MODELS, Model
from ees.questions import CHOICES, VIEWS, Question
from ees.results import Report
from ees.schemes import RK4, SCHEMES, AbstractScheme
from ees.solve import solve


STEP_COUNTS = tuple(n for n in divisors(LATTICE) if 2 <= n <= 5040)
"""The step counts that an experiment may take: divisors of the Brownian path's lattice."""

_PRECISIONS = {"float64": jnp.float64, "float32": jnp.float32}


class Problem(NamedTuple):
    """The first four arguments of `ees.solve`."""

    field: AbstractField
    scheme: AbstractScheme
    driver: AbstractDriver
    y0: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is computed and shown.

    - `view`, `part`: the question, from `ees.questions.VIEWS`; the view's first part unless given.
    - `choices`: what is chosen about the questions, by name from `ees.questions.CHOICES`, those
      left out at their defaults.
    - `model`: a name from `ees.MODELS`; `parameters`: its parameters by name, those left out
      at their defaults; `horizon`: the end of time, the model's own unless given.
    - `schemes`: names from `ees.SCHEMES`, at least one; `options`: scheme -> its arguments.
    - `steps`: the number of steps to the horizon, from `STEP_COUNTS`; the model's own unless
      given.
    - `equal`: `"steps"`: every scheme takes `steps`; `"evaluations"`: every scheme spends as
      many field evaluations as the dearest one does in `steps`, or up to a lattice step fewer.
    - `seed`: of the path, from 0 to 2^31 - 1; `hurst`: its Hurst index, above 1/4 and below 1,
      where 1/2 is Brownian motion; `component`: the state's entry drawn.
    - `precision`: `"float64"` or `"float32"`, of the schemes; the references are float64.

    Raises `ValueError`, naming the argument, for anything else.
    """

    view: str = "paths"
    part: str | None = None
    choices: Mapping[str, str | float] = dataclasses.field(default_factory=dict)
    model: str = "ornstein_uhlenbeck"
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    horizon: float | None = None
    schemes: tuple[str, ...] = ("EES25", "RK4", "ReversibleHeun")
    options: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    steps: int | None = None
    equal: str = "steps"
    seed: int = 0
    hurst: float = 0.5
    component: int = 0
    precision: str = "float64"

    def __post_init__(self):
        check_among("view", self.view, VIEWS)
        if self.part is None:
            object.__setattr__(self, "part", next(iter(VIEWS[self.view])))
        check_among("part", self.part, VIEWS[self.view])
        check_mapping("choices", self.choices)
        for name, value in self.choices.items():
            check_among("choices", name, CHOICES)
            if not CHOICES[name].holds(value):
                allowed = CHOICES[name].allowed()
                raise ValueError(f"choices[{name}]={shortly(value)}: allowed is {allowed}.")
        check_among("model", self.model, MODELS)
        check_among("equal", self.equal, ("steps", "evaluations"))
        check_among("precision", self.precision, _PRECISIONS)
        if not isinstance(self.schemes, list | tuple):
            raise ValueError(f"schemes={shortly(self.schemes)}: it must be a list of names.")
        object.__setattr__(self, "schemes", tuple(self.schemes))
        for name in self.schemes:
            check_among("schemes", name, SCHEMES)
        if not self.schemes or len(set(self.schemes)) < len(self.schemes):
            raise ValueError(f"schemes={self.schemes}: one or more are needed, each once.")
        check_mapping("options", self.options)
        for name, arguments in self.options.items():
            check_among("options", name, SCHEMES)
            check_mapping(f"options[{name}]", arguments)
            for argument, value in arguments.items():
                check_number(entry_of(f"options[{name}]", argument), value)
            try:
                SCHEMES[name](**arguments)
            except (TypeError, ValueError) as error:
                shown = shortly(dict(arguments))
                raise ValueError(f"options[{name}]={shown}: {error}") from None
        check_mapping("parameters", self.parameters)
        for name, value in self.parameters.items():
            check_number(entry_of("parameters", name), value)
        # Copies, so that nobody who changes theirs changes an experiment.
        object.__setattr__(self, "choices", dict(self.choices))
        object.__setattr__(self, "parameters", dict(self.parameters))
        object.__setattr__(self, "options", {n: dict(a) for n, a in self.options.items()})
        try:
            model = _model(self.model, tuple(sorted(self.parameters.items())))
        except TypeError:
            known = tuple(p.name for p in _model(self.model, ()).parameters)
            check_among("parameters", next(n for n in self.parameters if n not in known), known)
            raise
        for name, default in (("horizon", model.horizon), ("steps", _nearest(model.steps))):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        check_number("horizon", self.horizon)
        if not 0.01 <= self.horizon <= 1000:
            raise ValueError(f"horizon={self.horizon}: allowed is every number from 0.01 to 1000.")
        if not isinstance(self.steps, int) or self.steps not in STEP_COUNTS:
            raise ValueError(
                f"steps={shortly(self.steps)}: it must be a divisor of {LATTICE} from "
                f"{STEP_COUNTS[0]} to {STEP_COUNTS[-1]}, see ees.experiment.STEP_COUNTS."
            )
        check_whole("seed", self.seed, 2**31 - 1)
        check_number("hurst", self.hurst)
        if not 0.25 < self.hurst < 1:
            raise ValueError(f"hurst={self.hurst}: allowed is every number above 0.25 and below 1.")
        check_whole("component", self.component, len(model.components) - 1)

    @property
    def question(self) -> Question:
        """What is asked."""
        return VIEWS[self.view][self.part]

    def choice(self, name: str) -> str | float:
        """What is chosen, or the default of what there is to choose."""
        return self.choices.get(name, CHOICES[name].default)

    @property
    def subject(self) -> Model:
        """The model with this experiment's parameters."""
        return _model(self.model, tuple(sorted(self.parameters.items())))

    def scheme(self, name: str) -> AbstractScheme:
        """One of the schemes with this experiment's options."""
        return _scheme(name, tuple(sorted(self.options.get(name, {}).items())))

    def steps_of(self, name: str, steps: int | None = None) -> int:
        """The steps that a scheme takes where the experiment takes `steps`."""
        steps = self.steps if steps is None else steps
        if self.equal == "steps":
            return steps
        budget = steps * max(self.scheme(s).evaluations for s in self.schemes)
        affordable = budget // self.scheme(name).evaluations
        return max(n for n in divisors(LATTICE) if n <= affordable)

    def problem(self, name: str, steps: int) -> Problem:
        """What `ees.solve` takes, for one of the schemes in so many steps (an array, traced)."""
        field, driver, y0 = _at(int(steps), *self._setting(), self.precision)
        return Problem(field, self.scheme(name), driver, y0)

    def reference(self) -> np.ndarray:
        """`(LATTICE + 1, dim)`: the exact solution on the same path, or RK4 on the lattice."""
        return _reference(*self._setting())

    @property
    def unit(self) -> float:
        """The rounding unit of the precision: the distance from 1 to the next number."""
        return float(jnp.finfo(_PRECISIONS[self.precision]).eps)

    def _setting(self):
        parameters = tuple(sorted(self.parameters.items()))
        return self.model, parameters, self.horizon, self.seed, self.hurst

    def to_json(self) -> str:
        """This experiment as one line of JSON, which `from_json` turns back into its equal."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """The experiment that `to_json` wrote. **Raises:** `ValueError` for anything else."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"text={shortly(text)}: it is not JSON: {error}.") from None
        if not isinstance(values, dict):
            raise ValueError(f"text={shortly(text)}: an experiment is a JSON object.")
        for name in values:
            check_among("field", name, cls.__dataclass_fields__)
        return cls(**values)

    @classmethod
    def repaired(cls, values: Mapping[str, Any]) -> tuple["Experiment", tuple[str, ...]]:
        """An experiment from values that nobody has checked.

        **Arguments:** `values`: field -> value.

        **Returns:** an experiment with every value that fits, defaults for the others, and a
        message for each that did not fit. Never raises for what the values contain.

        **Raises:** `ValueError` if `values` is no mapping.
        """
        check_mapping("values", values)
        messages = []
        good: dict[str, Any] = {}
        for name, value in _pieces(values):
            try:
                check_among("field", name, cls.__dataclass_fields__)
                if isinstance(value, Mapping) and isinstance(good.get(name), Mapping):
                    value = {**good[name], **value}
                cls(**{**good, name: value})
            except ValueError as error:
                messages.append(f"{str(error)[:300]} The default is used instead.")
            else:
                good[name] = value
        return cls(**good), tuple(messages)


def run(experiment: Experiment) -> Report:
    """Computes what an experiment shows.

    **Returns:** a `Report` with its plots, whose series carry labels, symbols and units.
    """
    for report in stream(experiment):
        pass
    return report


def stream(experiment: Experiment) -> Iterator[Report]:
    """Computes what an experiment shows, piece by piece.

    **Returns:** an iterator of reports, each with all that is known so far; whoever stops
    asking has cancelled, and keeps the last one.
    """
    return experiment.question.ask(experiment)


@lru_cache(maxsize=256)
def _model(name: str, parameters: tuple) -> Model:
    return MODELS[name](**dict(parameters))


@lru_cache(maxsize=256)
def _scheme(name: str, arguments: tuple) -> AbstractScheme:
    return SCHEMES[name](**dict(arguments))


@lru_cache(maxsize=64)
def _conditions(name, parameters, horizon, seed, hurst, precision):
    """Field, driver and start in one precision; the path is the float64 one, rounded."""
    model, dtype = _model(name, parameters), _PRECISIONS[precision]

    def cast(tree):
        return jtu.tree_map(
            lambda leaf: jnp.asarray(leaf, dtype) if eqx.is_inexact_array(leaf) else leaf, tree
        )

    driver = model.driver(jr.key(seed), horizon, LATTICE)
    if hurst != 0.5 and isinstance(driver, BrownianPath):
        shape = driver.values.shape[1:]
        rough = FractionalBrownian(jr.key(seed), hurst, 0.0, horizon, LATTICE, shape)
        # Values in the same driver: another Hurst index compiles nothing.
        driver = eqx.tree_at(lambda d: d.values, driver, rough.values)
    return cast(model.field), cast(driver), cast(model.y0)


@lru_cache(maxsize=64)
def _at(steps: int, *setting):
    """The conditions in so many steps: all schemes share them."""
    field, driver, y0 = _conditions(*setting)
    return field, driver.with_steps(jnp.asarray(steps, jnp.int32)), y0


@lru_cache(maxsize=64)
def _reference(name, parameters, horizon, seed, hurst) -> np.ndarray:
    exact = _model(name, parameters).exact
    field, driver, y0 = _conditions(name, parameters, horizon, seed, hurst, "float64")
    if exact is None:
        found = np.asarray(solve(field, RK4(), driver, y0, save="all").ys)
    else:
        ws = getattr(driver, "values", jnp.zeros((LATTICE + 1, 1)))
        found = np.asarray(_evaluate(exact, jnp.linspace(0.0, horizon, LATTICE + 1), ws))
    found.setflags(write=False)
    return found


@eqx.filter_jit
def _evaluate(function, *arguments):
    return function(*arguments)


def _nearest(steps: int) -> int:
    return min(STEP_COUNTS, key=lambda n: abs(math.log(n / steps)))


def _pieces(values: Mapping) -> Iterator[tuple[Any, Any]]:
    """Fields and values, a mapping entry by entry: one that does not fit costs no other."""
    # The model decides which parameters and components there are, and the view which parts.
    for name in sorted(values, key=lambda n: (n not in ("model", "view"), shortly(n))):
        value = values[name]
        if name in ("choices", "parameters", "options") and isinstance(value, Mapping):
            yield from ((name, {key: entry}) for key, entry in value.items())
        else:
            yield name, value
