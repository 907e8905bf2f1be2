"""What we set out to reach, beside what was measured."""

import json

import numpy as np

from tests.benchmarks.report import compile_seconds, curves_of, entry_of, ratio


FORWARD = [f"forward, {n} steps" for n in (50, 200, 1000, 5000)]
GRADIENT = [f"gradient, {n} steps" for n in (50, 200, 1000, 5000)]
OURS = "EES25 + Reversible"
# What `adjoint="auto"` takes where the states fit.
AUTO = "EES25 + StoredStates"
# Paths last is best for a small system; who writes it otherwise should not have to know.
LAYOUTS = (
    *("EES25, paths last", "EES25", "EES25, mapped", "EES25, ensemble"),
    *("EES25, wide vectors", "EES25, ensemble, wide vectors"),
)
# As XLA compiles for any processor, and as it is told to for one with AVX-512.
WAYS = "", ", wide vectors"
TORCHSDE = "torchsde Reversible Heun + adjoint"
TREE = "Diffrax Heun + RecursiveCheckpoint"

AT_MOST, AT_LEAST = "at most", "at least"
# Races, the contestant, the other that it is divided by, and the bound on the ratio of times.
TIMES = (
    (FORWARD, "EES25", "floor", AT_MOST, 1.05),
    (GRADIENT, OURS, "floor", AT_MOST, 1.05),
    (GRADIENT, "EES25 + StoredStates", OURS, AT_MOST, 0.95),
    (GRADIENT, "EES25 + RecursiveCheckpoint", OURS, AT_MOST, 1.4),
    (GRADIENT, "EES25 + FullBackprop", OURS, AT_LEAST, 1.7),
    (GRADIENT[1:2], TREE, OURS, AT_LEAST, 5.0),
    (GRADIENT[3:], TREE, OURS, AT_LEAST, 8.0),
    # On some machines the floor itself is less than six times as fast.
    *(
        (GRADIENT[1:], TORCHSDE, f"{ours}{how}", AT_LEAST, 6.0)
        for ours in (OURS, AUTO)
        for how in WAYS
    ),
    *((["Lorenz"], "Diffrax Heun, tree", ours, AT_LEAST, 28.0) for ours in LAYOUTS),
    *((["Lorenz"], "Diffrax Heun, unsafe path", ours, AT_LEAST, 1.4) for ours in LAYOUTS),
    *(
        (["two cores, gradient"], TORCHSDE, f"{ours}, ensemble{how}", AT_LEAST, 10.0)
        for ours in (OURS, AUTO)
        for how in WAYS
    ),
    (["one path"], "Diffrax Heun, tree", "EES25", AT_LEAST, 1200.0),
    (["one path"], "Diffrax Heun, unsafe path", "EES25", AT_LEAST, 100.0),
)


def check(results: dict) -> list[str]:
    """A line for each goal that the results speak of."""
    races = results["races"]
    lines = []
    for keys, name, other, sense, bound in TIMES:
        for key in keys:
            entry, base = (entry_of(races.get(key), who) for who in (name, other))
            if entry and base:
                measured = ratio(entry, base, races[key]["clock"])[0]
                lines.append(_line(f"{key}: {name} to {other}", measured, sense, bound))
    for key in GRADIENT:
        entry, base = (entry_of(races.get(key), who) for who in (OURS, "floor"))
        if entry and base:
            compiled = compile_seconds(entry) / compile_seconds(base)
            lines.append(_line(f"{key}: compilation to the floor's", compiled, AT_MOST, 1.5))
    lines += _memory(races.get("memory"))
    for key in ("cost over steps", "cost over paths"):
        lines += _flat(key, races.get(key))
    return lines + _exact(results)


def _memory(race):
    entries = race["entries"] if race else ()
    sizes = {
        name: [e["temp_bytes"] for e in entries if e["contestant"] == name and "temp_bytes" in e]
        for name in (OURS, "floor")
    }
    if not all(sizes.values()):
        return []
    ours, floor = sizes[OURS], sizes["floor"]
    spread = max(ours) - min(ours)
    return [
        _line("temp bytes of the gradient: spread over 50 to 50,000 steps", spread, AT_MOST, 0),
        _line("temp bytes of the gradient to the floor's", max(ours) / max(floor), AT_MOST, 2.0),
    ]


def _flat(key, race):
    """The cost of a path's step along the curve: largest to smallest, and to the floor's."""
    if not race:
        return []
    lines, clock = [], race["clock"]
    for (name, task), costs in curves_of(race).items():
        # The floor's own line says what the machine can: nobody's goal.
        if name != "floor":
            text = f"{key}: {name}, dearest to cheapest"
            lines.append(_line(text, max(costs.values()) / min(costs.values()), AT_MOST, 1.1))
    ran = {
        (e["contestant"], e["task"], json.dumps(e["work"])): e
        for e in race["entries"]
        if e.get("runs")
    }
    worst = {}
    for (name, task, work), entry in ran.items():
        if name != "floor" and (floor := ran.get(("floor", task, work))):
            worst[name] = max(worst.get(name, 0.0), ratio(entry, floor, clock)[0])
    return lines + [
        _line(f"{key}: {name} to floor, at worst", most, AT_MOST, 1.05)
        for name, most in worst.items()
    ]


def _exact(results):
    found = {
        (row["contestant"], row["dtype"], row["steps"]): row["error"] or np.inf
        for row in results.get("errors", ())
    }
    lines = []
    for (name, dtype, steps), error in found.items():
        limit = {50: 2e-10, 5000: 1e-14}.get(steps)
        if name == OURS and dtype == "float64" and limit:
            lines.append(_line(f"error of the gradient, {steps} steps", error, AT_MOST, limit))
        if name == OURS and dtype == "float32":
            own = found["EES25 + FullBackprop", dtype, steps]
            text = f"error in float32, {steps} steps, to backpropagation's"
            lines.append(_line(text, error / own, AT_MOST, 1.3))
    for row in results.get("contraction", ()):
        if row["contestant"] == OURS and row["steps"] == 1000:
            text = f"error of the gradient where the drift pulls with {row['pull']:.0f}"
            lines.append(_line(text, row["error"] or np.inf, AT_MOST, 1e-6))
    for row in results.get("compilations", ()):
        if row["contestant"].startswith("EES25") and "counts" in row:
            total = sum(row["counts"].values())
            lines.append(_line(f"compilations in sweeps, {row['contestant']}", total, AT_MOST, 0))
    return lines


def _line(text, measured, sense, bound):
    holds = measured <= bound if sense == AT_MOST else measured >= bound
    return f"  {'holds' if holds else 'MISSED':7}{text}: {measured:.4g}, {sense} {bound:g}"
