"""From what was measured to what is read: ratios, tables, and the README's part."""

import json
import math
import pathlib

import numpy as np

from tests.benchmarks.plan import OURS


BEGIN = "<!-- benchmarks: written by `python3 run.py bench` -->"
END = "<!-- end of benchmarks -->"


def save(results: dict, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")


def load(path: pathlib.Path) -> dict:
    return json.loads(path.read_text())


def seconds(entry: dict, clock: str) -> np.ndarray:
    """The seconds of each round."""
    return np.array([run[clock] for run in entry.get("runs", ())])


def ratio(entry: dict, base: dict, clock: str) -> tuple[float, float, float]:
    """Quartiles of the ratio of two entries, taken within each round: median, lower, upper."""
    ratios = seconds(entry, clock) / seconds(base, clock)
    lower, middle, upper = np.quantile(ratios, (0.25, 0.5, 0.75))
    return float(middle), float(lower), float(upper)


def entry_of(race: dict | None, contestant: str) -> dict | None:
    """A contestant's entry in a race, if it took part and did not fail."""
    entries = race["entries"] if race else ()
    ran = [e for e in entries if e["contestant"] == contestant and e.get("runs")]
    return ran[0] if ran else None


def base_of(race: dict) -> dict | None:
    """The entry that ratios refer to."""
    return next((found for name in OURS if (found := entry_of(race, name))), None)


def compile_seconds(entry: dict) -> float:
    """Processor time to trace and compile it, the median."""
    return float(np.median([one["cpu"] for one in entry["compile"]]))


def curves_of(race: dict) -> dict[tuple[str, str], dict[int, float]]:
    """Nanoseconds of a path's step by what grows, for each contestant and task of a curve."""
    entries = [entry for entry in race["entries"] if entry.get("runs")]
    grows = [
        what for what in ("steps", "paths", "dim") if len({e["work"][what] for e in entries}) > 1
    ]
    curves = {}
    for entry in entries:
        work = entry["work"]
        cost = 1e9 * np.median(seconds(entry, race["clock"])) / work["steps"] / work["paths"]
        curves.setdefault((entry["contestant"], entry["task"]), {})[work[grows[0]]] = cost
    return curves


def lines_of(key: str, race: dict) -> list[str]:
    """A race as a table for a terminal."""
    clock = race["clock"]
    entries = [e for e in race["entries"] if "error" not in e]
    failed = [f"    {e['contestant']}: {e['error']}" for e in race["entries"] if "error" in e]
    if len({json.dumps(e["work"]) for e in entries}) > 1:
        return [key, *_cost_lines(entries, clock), *failed]
    base, floor = base_of(race), entry_of(race, "floor")
    lines = [f"{key}: {'':33} ms   to ours  (quartiles)   to floor   wall/CPU  compile s   temp MB"]
    for entry in entries:
        middle, lower, upper = ratio(entry, base, clock)
        to_floor = f"{ratio(entry, floor, clock)[0]:9.2f}" if floor else f"{'':9}"
        busy = np.median(seconds(entry, "wall") / seconds(entry, "cpu"))
        compiled = f"{compile_seconds(entry):9.2f}"
        lines.append(
            f"  {entry['contestant']:45}{1e3 * np.median(seconds(entry, clock)):9.2f} {middle:9.2f}"
            f"  ({lower:.2f}, {upper:.2f}) {to_floor} {busy:9.2f} {compiled}   {_megabytes(entry)}"
        )
    return lines + failed


def _cost_lines(entries, clock):
    lines = []
    for entry in entries:
        work, took = entry["work"], seconds(entry, clock)
        size = f"{work['steps']} steps, {work['paths']} paths, dimension {work['dim']}"
        cost = f"{1e6 * np.median(took) / work['steps']:10.2f} us a step" if len(took) else ""
        lines.append(f"  {entry['contestant']:38}{size:44}{cost}   temp {_megabytes(entry)} MB")
    return lines


def _megabytes(entry):
    return f"{entry['temp_bytes'] / 1e6:.3f}" if "temp_bytes" in entry else "-"


def part(folder: pathlib.Path) -> str:
    """The README's part: what was measured on the CPU, then on each other processor."""
    paths = sorted(folder.glob("*.json"), key=lambda path: (path.name != "cpu.json", path.name))
    return "\n\n".join(markdown(found) for found in map(load, paths) if "races" in found)


def markdown(results: dict) -> str:
    """Where it was measured, and a table for each kind of race."""
    machine, races = results["machine"], results["races"]
    kinds = {"gradient": {}, "two cores": {}, "forward": {}}
    for key, race in races.items():
        if base_of(race) and not key.startswith("cost"):
            first = key.split(", ")[0]
            kinds[first if first in kinds else "forward"][key] = race
    key = "gradient, 200 steps"
    base, took = entry_of(races.get(key), "EES25 + Reversible"), ""
    if base:
        milliseconds = 1e3 * np.median(seconds(base, races[key]["clock"]))
        took = f" Our gradient of 200 steps takes {milliseconds:.0f} ms."
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    busy = {race["clock"] for race in kinds["gradient"].values()} == {"cpu"}
    clock = "processor time on one core" if busy else "time on the wall"
    where = (
        f"{machine['processor']}, {results['date']}; {versions}; float32. Ratios of {clock} to "
        f"ours, medians over {results['rounds']} rounds in which all take turns.{took}"
    )
    tables = [
        _table("value and gradient", kinds["gradient"], races.get("memory")),
        _table("forward", kinds["forward"]),
        _table("two cores, time on the wall", kinds["two cores"]),
        _contraction(results.get("contraction", ())),
        *(_curves(key, race) for key, race in races.items() if key.startswith("cost over")),
    ]
    return "\n\n".join([where, *("\n".join(table) for table in tables if table)])


def _table(title, races, memory=None):
    """Ratios of all contestants in these races; for gradients, memory and time to compile too."""
    if not races:
        return []
    names = list(dict.fromkeys(e["contestant"] for r in races.values() for e in r["entries"]))
    heads = [title, *(key.split(", ")[-1] for key in races)]
    if memory:
        heads += ["temp memory, fewest to most steps, MB", "compile, s"]
    lines = [_row(heads), "|" + "---|" * len(heads)]
    for name in names:
        ran = [(entry_of(race, name), race) for race in races.values()]
        cells = [
            _digits(ratio(entry, base_of(race), race["clock"])[0]) if entry else ""
            for entry, race in ran
        ]
        if memory:
            compiled = [entry for entry, _ in ran if entry and "temp_bytes" in entry]
            longest = max(map(compile_seconds, compiled), default=None)
            cells.append(_sizes(name, [*compiled, *memory["entries"]]))
            cells.append("" if longest is None else f"{longest:.1f}")
        lines.append(_row([name, *cells]))
    return lines


def _sizes(name, entries):
    sizes = sorted(
        (entry["work"]["steps"], entry["temp_bytes"])
        for entry in entries
        if entry["contestant"] == name and "temp_bytes" in entry
    )
    shown = [f"{size / 1e6:.2f}" for _, size in (sizes[:1] + sizes[-1:])]
    return " to ".join(dict.fromkeys(shown))


def _contraction(rows):
    """Where the drift pulls, both errors of each scheme side by side."""
    if not rows:
        return []
    names = list(dict.fromkeys(row["contestant"] for row in rows))
    kinds = {"gradient": "error", "rebuilt start": "reconstruction"}
    heads = [f"{name}: {kind}" for name in names for kind in kinds]
    steps = rows[0]["steps"]
    lines = [
        _row([f"relative error at drift $-cy$ beside the network, {steps} steps", *heads]),
        "|" + "---|" * (1 + len(heads)),
    ]
    for pull in dict.fromkeys(row["pull"] for row in rows):
        found = {row["contestant"]: row for row in rows if row["pull"] == pull}
        values = [found[name][kind] for name in names for kind in kinds.values()]
        shown = ["not finite" if value is None else f"{value:.0e}" for value in values]
        lines.append(_row([f"c = {pull:.0f}", *shown]))
    return lines


def _curves(key, race):
    """What a path's step costs as the work grows."""
    curves = curves_of(race)
    sizes = list(next(iter(curves.values())))
    lines = [_row([f"{key}, ns of a path's step", *sizes]), "|" + "---|" * (1 + len(sizes))]
    for (name, task), costs in curves.items():
        label = f"{name}, {task}" if name == "floor" else name
        lines.append(_row([label, *(_digits(cost) for cost in costs.values())]))
    return lines


def _row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def _digits(number):
    """Three significant digits at most, and two places at most."""
    places = max(0, min(2, 2 - math.floor(math.log10(number))))
    return f"{number:.{places}f}"


def rewrite(text: str, part: str) -> str:
    """A README with what stands between the markers replaced.

    **Raises:** `ValueError` if the markers are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"README.md: it must have the lines {BEGIN!r} and {END!r}, in this order.")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{rest.split(END)[1]}"
