"""What does a scheme do? The schemes on one path, beside the exact solution or a fine one."""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ees.drivers import LATTICE
from ees.questions.base import Component, Question
from ees.questions.critical import critical_steps
from ees.questions.ensemble import ENSEMBLE
from ees.questions.window import clipped, inside_of, left_for_good, limits
from ees.results import Axis, Plot, Report, Series
from ees.solve import solve


_POINTS = 2001
_REFERENCE = slice(None, None, LATTICE // 2016)

_TIME = (Plot("paths", "", Axis("time", "t"), Axis("solution", "y"), (), window=(-1.0, 1.0)),)
_PHASE = (
    Plot(
        key="phase",
        title="",
        x=Axis("solution", "x"),
        y=Axis("solution", "y"),
        series=(),
        window=(-1.0, 1.0),
        range=(-1.0, 1.0),
        square=True,
    ),
)
_SECOND = Component("Vertical axis", default=1, low=0, high=63, whole=True)


class _Path(NamedTuple):
    """What a scheme made of the path: until it left for good, if it did."""

    name: str
    label: str
    steps: int
    ts: np.ndarray
    ys: np.ndarray
    left: bool
    distance: np.ndarray  # the furthest from the reference, of each component


def paths(experiment) -> Iterator[Report]:
    """The paths of every scheme and their reference; paths that leave end where they leave."""
    component = experiment.component

    def picture(found, exact, box, caption):
        window = float(box[0][component]), float(box[1][component])
        ts = np.linspace(0.0, experiment.horizon, LATTICE + 1)[_REFERENCE]
        series = [_reference(experiment, ts, exact[_REFERENCE, component])]
        for path in found:
            y, left = path.ys[:, component], None
            if path.left:
                left = float(path.ts[-1]), float(inside_of(y[-1], window))
            y = clipped(y, window)
            finite = np.isfinite(y)
            marks = path.steps <= 60
            series.append(
                Series(path.name, path.label, path.ts[finite], y[finite], marks=marks, left=left)
            )
        return dataclasses.replace(
            _TIME[0],
            title=f"{experiment.subject.title}: one path, h = {_step(experiment):.4g}",
            y=Axis("solution", experiment.subject.components[component]),
            series=tuple(series),
            window=window,
            caption=caption,
        )

    yield from _answers(experiment, picture, (component,))


def phase(experiment) -> Iterator[Report]:
    """One component against another, along the same path."""
    model = experiment.subject
    across, up = experiment.component, _SECOND.of(experiment, "second")
    symbols = model.components[across], model.components[up]
    axes = {"x": Axis("solution", symbols[0]), "y": Axis("solution", symbols[1])}
    if across == up:
        message = f"The model {model.title} has one component; a phase portrait needs two."
        if len(model.components) > 1:
            message = "A phase portrait needs two different components; choose another."
        blank = dataclasses.replace(_PHASE[0], title=model.title, caption=message, **axes)
        yield Report((blank,), (message,))
        return

    def picture(found, exact, box, caption):
        range_, window = ((float(box[0][i]), float(box[1][i])) for i in (across, up))
        ts = np.linspace(0.0, experiment.horizon, LATTICE + 1)[_REFERENCE]
        series = [_reference(experiment, exact[_REFERENCE, across], exact[_REFERENCE, up], ts)]
        for path in found:
            x, y, left = path.ys[:, across], path.ys[:, up], None
            if path.left:
                left = float(inside_of(x[-1], range_)), float(inside_of(y[-1], window))
            x, y = clipped(x, range_), clipped(y, window)
            finite = np.isfinite(x) & np.isfinite(y)
            points = {"x": x[finite], "y": y[finite], "times": path.ts[finite]}
            marks = path.steps <= 60
            series.append(Series(path.name, path.label, **points, marks=marks, left=left))
        return dataclasses.replace(
            _PHASE[0],
            **axes,
            title=f"{model.title}: phase portrait, h = {_step(experiment):.4g}",
            series=tuple(series),
            window=window,
            range=range_,
            square=_kind(symbols[0]) == _kind(symbols[1]),
            caption=caption,
        )

    yield from _answers(experiment, picture, (across, up))


def _answers(experiment, picture, components) -> Iterator[Report]:
    """The pictures of a question about one path: at once, and again with the critical steps."""
    exact = experiment.reference()
    box = limits(exact)
    found, messages = [], []
    # All are on their way before the first one is waited for.
    solutions = [
        solve(*experiment.problem(name, experiment.steps_of(name)), save=_POINTS)
        for name in experiment.schemes
    ]
    for name, solution in zip(experiment.schemes, solutions):
        path, message = _path(experiment, name, solution, exact, box)
        found.append(path)
        messages += [message] * bool(message)
    h = f"h = {_step(experiment):.4g}"
    if not messages:
        messages.append(f"No scheme left the window with {h}.")
    caption = f"One path from t = 0 to {experiment.horizon:.4g} with {h}. " + _distances(
        experiment, found, components
    )
    for critical in critical_steps(experiment):
        beyond = critical.beyond(experiment) if critical else ()
        said = f"{caption} {critical.said}" if critical else caption
        yield Report((picture(found, exact, box, said),), (*messages, *beyond))


def _path(experiment, name, solution, exact, box) -> tuple[_Path, str]:
    """A scheme's path, and a sentence if it left the window for good."""
    steps = experiment.steps_of(name)
    ts, first = np.unique(np.asarray(solution.ts, float), return_index=True)
    ys = np.asarray(solution.ys, float)[first]
    label, message = experiment.scheme(name).name, ""
    gone = left_for_good(ys, *box)
    if gone is not None:
        message = (
            f"{label} left the window at t = {float(ts[gone]):.4g}, "
            f"with h = {experiment.horizon / steps:.4g}" + _then(float(solution.diverged_at))
        )
        ts, ys = ts[: gone + 1], ys[: gone + 1]
    cells = np.round(ts * (LATTICE / experiment.horizon)).astype(int)
    with np.errstate(over="ignore"):
        distance = np.abs(ys - exact[cells]).max(axis=0)
    if experiment.equal == "evaluations":
        label = f"{label}, N = {steps}"
    return _Path(name, label, steps, ts, ys, gone is not None, distance), message


def _reference(experiment, x, y, times=None) -> Series:
    known = experiment.subject.exact is not None
    label = "exact solution" if known else f"RK4, N = {LATTICE}"
    return Series("reference", label, x, y, times=times)


def _distances(experiment, found, components) -> str:
    known = experiment.subject.exact is not None
    stayed = (path for path in found if not path.left)
    said = [f"{p.label} {max(p.distance[i] for i in components):.2g}" for p in stayed]
    left = [f"{path.label} at t = {path.ts[-1]:.4g}" for path in found if path.left]
    sentences = []
    if said:
        whose = "exact solution" if known else "fine reference"
        sentences.append(f"Largest distance from the {whose}: {', '.join(said)}.")
    if left:
        sentences.append(f"Left the window for good: {', '.join(left)}.")
    return " ".join(sentences)


def _step(experiment) -> float:
    return experiment.horizon / experiment.steps


def _kind(symbol: str) -> str:
    """What a component measures: its symbol without the index. One kind has one unit."""
    return re.sub(r"_(\{.*?\}|.)", "", symbol)


def _then(diverged_at: float) -> str:
    if math.isinf(diverged_at):
        return "."
    return f"; from t = {diverged_at:.4g} on it was no longer a finite number."


PATHS = {
    "time": Question(paths, _TIME, played=True),
    "phase": Question(phase, _PHASE, choices={"second": _SECOND}, played=True),
    "ensemble": ENSEMBLE,
}
"""The parts of the view."""
