"""Do the two passes meet? The way there as a line, and the way back as dots on it."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from ees.diagnostics import reconstruction
from ees.questions.base import Question
from ees.questions.window import clipped, limits
from ees.results import Axis, Plot, Report, Series


_POINTS = 601
# Few enough dots to see the line between them.
_DOTS = 61
# A dot this far from its line, as a part of the window, is seen to be off it.
_SEEN = 0.02

_BLANKS = (
    Plot("reversal-passes", "", Axis("time", "t"), Axis("solution", "y"), (), window=(-1.0, 1.0)),
)


def passes(experiment) -> Iterator[Report]:
    """The drawn component of every scheme on its way to the horizon and back to the start."""
    model, component = experiment.subject, experiment.component
    h = experiment.horizon / experiment.steps
    lows, highs = limits(experiment.reference())
    window = float(lows[component]), float(highs[component])
    series, met, messages = [], [], []
    for name in experiment.schemes:
        steps = experiment.steps_of(name)
        problem = experiment.problem(name, steps)
        result = reconstruction(*problem, save=_POINTS)
        ts, first = np.unique(np.asarray(result.ts, float), return_index=True)
        there, back = (
            np.asarray(way, float)[first, component] for way in (result.forward, result.backward)
        )
        label = problem.scheme.name
        seen = np.isfinite(there)
        series.append(Series(name, label, ts[seen], clipped(there[seen], window)))
        few = np.unique(np.linspace(0, len(ts) - 1, _DOTS).astype(int))
        few = few[np.isfinite(back[few])]
        dots = clipped(back[few], window)
        series.append(Series(f"{name}/back", f"{label}, back", ts[few], dots, look="dots"))
        if np.isfinite(back[0]):
            met.append(f"{label} at {back[0]:.6g}, off by {abs(back[0] - there[0]):.1e}")
            apart = np.abs(back - there) > _SEEN * (window[1] - window[0])
            if apart.any():
                messages.append(
                    f"{label}, h = {experiment.horizon / steps:.4g}: the way back is seen to leave "
                    f"the way there at t = {ts[apart].max():.4g}."
                )
        else:
            messages.append(
                f"{label} does not find its way back with h = {experiment.horizon / steps:.4g}: "
                "its values did not stay finite."
            )
    symbol = model.components[component]
    plot = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: there and back, h = {h:.4g}",
        y=Axis("solution", symbol),
        series=tuple(series),
        window=window,
        caption="Lines go from the start to the end, marks come back from there with the reverse "
        f"steps. Back at the start, which is {float(model.y0[component]):.6g}: "
        f"{'; '.join(met) or 'no scheme'}.",
    )
    if not messages:
        messages.append(f"With h = {h:.4g} every scheme comes back on the line that it went.")
    yield Report((plot,), tuple(messages))


PASSES = Question(passes, _BLANKS, played=True)
