"""Where do many paths go? Their mean, the band that holds most of them, and where they end."""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ees.drivers import LATTICE, BrownianPath, FractionalBrownian
from ees.questions.base import Number, Question
from ees.questions.window import clipped, inside_of, left_for_good, limits, within
from ees.results import Axis, Plot, Report, Series
from ees.schemes import RK4
from ees.solve import solve


_TOGETHER = 200  # paths that are solved at once
_POINTS = 253  # of the fan, so that the gaps between them divide the lattice
_FINE = 2520  # steps of the reference where no exact solution is known
_BINS = 24
_LOW, _HIGH = 0.05, 0.95

_PATHS = Number("Paths", default=_TOGETHER, low=10, high=2000, whole=True, log=True)

_BLANKS = (
    Plot("ensemble", "", Axis("time", "t"), Axis("solution", "y"), (), window=(-1.0, 1.0)),
    Plot(
        key="ensemble-end",
        title="",
        x=Axis("solution at the end", "y"),
        y=Axis("probability density", "p"),
        series=(),
        window=(0.0, 1.0),
        range=(-1.0, 1.0),
    ),
)


def ensemble(experiment) -> Iterator[Report]:
    """Mean, 5 to 95 per cent band and histogram of many paths, the same ones for every scheme."""
    count = experiment.choice("paths") if experiment.subject.noise_shape is not None else 1
    names = ("reference", *experiment.schemes)
    rounds = range(0, count, _TOGETHER)
    total, found = len(rounds) * len(names), {name: [] for name in names}
    for first in rounds:
        for name in names:
            done = sum(map(len, found.values()))
            label = _label(experiment, name)
            yield Report((), (), done, total, f"{label}, paths from {first + 1} on")
            some = min(_TOGETHER, count - first)
            found[name].append(_solved(experiment, name, first)[1][:some])
        done = sum(map(len, found.values()))
        pooled = {name: np.concatenate(parts) for name, parts in found.items()}
        doing = "more paths" if done < total else ""
        yield _report(experiment, pooled, done, total, doing)


def _report(experiment, pooled, done, total, doing) -> Report:
    """The pictures of so many paths, `pooled` scheme -> `(paths, points, dim)`."""
    model, component = experiment.subject, experiment.component
    count = len(pooled["reference"])
    lows, highs = limits(pooled["reference"])
    window = float(lows[component]), float(highs[component])
    fans, bars, ends, messages = [], [], [], []
    edges = np.linspace(*window, _BINS + 1)
    width = edges[1] - edges[0]
    for name, ys in pooled.items():
        label, ts = _label(experiment, name), _solved(experiment, name, 0)[0]
        y = ys[..., component]
        mean, low, high = _fan(y)
        # A mean over paths of which one is no longer a number is none either.
        gone = left_for_good(mean[:, None], *(np.array([end]) for end in window))
        left = None if gone is None else (float(ts[gone]), float(inside_of(mean[gone], window)))
        kept = np.where(np.arange(len(ts)) <= (len(ts) if gone is None else gone), mean, np.nan)
        curve = {
            end: clipped(values, window)
            for end, values in (("y", kept), ("low", low), ("high", high))
        }
        fans.append(Series(name, label, ts, **curve, left=left))
        inside, _ = np.histogram(y[:, -1][np.isfinite(y[:, -1])], edges)
        density = inside / count / width
        bars.append(Series(name, label, (edges[1:] + edges[:-1]) / 2, density, look="bars"))
        said = f"{mean[-1]:.3g} ({low[-1]:.3g} to {high[-1]:.3g})"
        ends.append(f"{label} {said if np.isfinite(mean[-1]) else 'no finite mean'}")
        if name != "reference":
            messages += _leavers(label, ts, ys, lows, highs)
    h = f"h = {experiment.horizon / experiment.steps:.4g}"
    alone = model.noise_shape is None
    if alone:
        messages.insert(0, f"{model.title} has no noise: all paths are the same one.")
    elif not messages:
        messages.append(f"None of the {count} paths left the window with {h}.")
    paths = "one path" if alone else f"{count} paths"
    fan = dataclasses.replace(
        _BLANKS[0],
        title=f"{model.title}: {paths}, {h}",
        y=Axis("solution", model.components[component]),
        series=tuple(fans),
        window=window,
        caption=(
            f"Mean and 5% to 95% quantiles of {paths} with {h}. At the end: {', '.join(ends)}."
        ),
    )
    top = max(float(series.y.max()) for series in bars)
    outside = [
        f"{series.label} {share:.3g}%"
        for series in bars
        if (share := 100 * (1 - series.y.sum() * width)) > 1e-9
    ]
    end = dataclasses.replace(
        _BLANKS[1],
        title=f"{model.title}: where the paths end, t = {experiment.horizon:.4g}",
        x=Axis("solution at the end", model.components[component]),
        series=tuple(bars),
        window=(0.0, 1.1 * top if top > 0 else 1.0),
        range=window,
        caption=(
            f"Where {paths} ended at t = {experiment.horizon:.4g}, in {_BINS} equal bins; the area "
            "of the bars is the share of paths in the picture. "
            + (f"Outside it: {', '.join(outside)}." if outside else "None is outside it.")
        ),
    )
    return Report((fan, end), tuple(messages), done, total, doing)


def _fan(y) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and quantiles at each time, of `(paths, points)`.

    A path that is no longer a number counts as far out on either side: it may not flatter a
    scheme that it is left out.
    """
    finite = np.isfinite(y)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(finite.all(axis=0), y.mean(axis=0), np.nan)
    # A quantile that is one of the values asks for no arithmetic with infinities.
    low = np.quantile(np.where(finite, y, -np.inf), _LOW, axis=0, method="inverted_cdf")
    high = np.quantile(np.where(finite, y, np.inf), _HIGH, axis=0, method="inverted_cdf")
    return mean, low, high


def _leavers(label, ts, ys, lows, highs) -> Iterator[str]:
    inside = within(ys, lows, highs)
    gone = inside[~inside[:, -1]]
    if len(gone):
        # The last time inside is where the reversed path is inside first.
        last = np.where(gone.any(axis=1), len(ts) - 1 - gone[:, ::-1].argmax(axis=1), -1)
        first = f"at t = {ts[last.min() + 1]:.4g}"
        lost = int((~np.isfinite(ys).all(axis=(1, 2))).sum())
        share = f"{len(gone)} of {len(ys)} paths ({100 * len(gone) / len(ys):.3g}%)"
        yield (
            (f"{label} left" if len(ys) == 1 else f"{label}: {share} left")
            + (f" the window for good, {'' if len(ys) == 1 else 'the first '}{first}")
            + (f"; {lost} did not stay finite." if lost else ".")
        )


def _label(experiment, name) -> str:
    if name == "reference":
        return "exact solution" if experiment.subject.exact is not None else f"RK4, N = {_FINE}"
    label = experiment.scheme(name).name
    if experiment.equal == "evaluations":
        return f"{label}, N = {experiment.steps_of(name)}"
    return label


def _solved(experiment, name: str, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Times `(points,)` and values `(paths, points, dim)` of `_TOGETHER` paths from `first` on."""
    plain = dataclasses.replace(
        experiment,
        view="paths",
        part=None,
        component=0,
        choices={},
        schemes=("Euler",) if name == "reference" else experiment.schemes,
        precision="float64" if name == "reference" else experiment.precision,
        steps=_FINE if name == "reference" else experiment.steps,
        equal="steps" if name == "reference" else experiment.equal,
    )
    known = _known(f"{name} {first} {plain.to_json()}")
    if not known:
        known.append(_solve_anew(plain, name, first))
    return known[0]


@lru_cache(maxsize=64)
def _known(conditions: str) -> list:
    return []


def _solve_anew(experiment, name, first):
    model, horizon = experiment.subject, experiment.horizon
    if name == "reference" and model.exact is not None:
        ts = jnp.linspace(0.0, horizon, LATTICE + 1)
        values = _noise_of(experiment, first)
        if values is None:
            values = jnp.zeros((LATTICE + 1, 1, 1))
        found = ts, _exact(model.exact, ts, values, jnp.asarray(horizon**experiment.hurst))
        every = slice(None, None, LATTICE // (_POINTS - 1))
        return np.asarray(found[0])[every], np.asarray(found[1], float)
    steps = _FINE if name == "reference" else experiment.steps_of(name)
    problem = experiment.problem("Euler" if name == "reference" else name, steps)
    if name == "reference":
        problem = problem._replace(scheme=RK4())
    values = _noise_of(experiment, first)
    if values is None:
        solution = solve(*problem, save=_POINTS)
        ts, ys = solution.ts, solution.ys[None]
    else:
        ts, ys = _solve(problem, values, jnp.asarray(horizon**experiment.hurst))
    ts, at = np.unique(np.asarray(ts, float), return_index=True)
    return ts, np.asarray(ys, float)[:, at]


def _noise_of(experiment, first):
    shape = experiment.subject.noise_shape
    if shape is None:
        return None
    return _noise(experiment.seed, experiment.hurst, tuple(shape), first)


@lru_cache(maxsize=2)
def _noise(
    seed: int, hurst: float, shape: tuple, first: int
) -> Float[Array, "points *noise paths"]:
    keys = jax.vmap(lambda i: jr.fold_in(jr.key(seed), i))(jnp.arange(first, first + _TOGETHER))
    if hurst == 0.5:
        return _brownian(keys, shape)
    return _fractional(keys, jnp.asarray(hurst), shape)


# Paths over a unit of time: another horizon stretches them. The last axis counts the paths, so
# that what a step reads lies together.
@eqx.filter_jit
def _brownian(keys, shape):
    def one(key):
        return BrownianPath(key, 0.0, 1.0, LATTICE, shape).values

    return jax.vmap(one, out_axes=-1)(keys)


@eqx.filter_jit
def _fractional(keys, hurst, shape):
    def one(key):
        return FractionalBrownian(key, hurst, 0.0, 1.0, LATTICE, shape).values

    return jnp.moveaxis(jax.lax.map(one, keys, batch_size=8), 0, -1)


@eqx.filter_jit
def _solve(problem, values, stretch):
    def one(values):
        stretched = (stretch * values).astype(problem.driver.values.dtype)
        driver = eqx.tree_at(lambda d: d.values, problem.driver, stretched)
        solution = solve(*problem._replace(driver=driver), save=_POINTS)
        return solution.ts, solution.ys

    return jax.vmap(one, in_axes=-1, out_axes=(None, 0))(values)


@eqx.filter_jit
def _exact(exact, ts, values, stretch):
    every = slice(None, None, LATTICE // (_POINTS - 1))

    def one(values):
        return exact(ts, stretch * values)[every]

    return jax.lax.map(one, jnp.moveaxis(values, -1, 0), batch_size=8)


ENSEMBLE = Question(ensemble, _BLANKS, choices={"paths": _PATHS}, steady=True, played=True)
"""A part of the view "paths"."""
