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
    lower, middle, upper = np.quantile(seconds(entry, clock) / seconds(base, clock), (0.25, 0.5, 0.75))
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


def markdown(results: dict) -> str:
    """The README's part: a sentence on where, and two tables."""
    machine, races = results["machine"], results["races"]
    gradients = {key: r for key, r in races.items() if key.startswith("gradient")}
    forwards = {key: r for key, r in races.items() if key not in gradients and base_of(r) and _one(r)}
    key = "gradient, 200 steps"
    base, took = entry_of(gradients.get(key), "EES25 + Reversible"), ""
    if base:
        milliseconds = 1e3 * np.median(seconds(base, races[key]["clock"]))
        took = f" Our gradient of 200 steps takes {milliseconds:.0f} ms."
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    clocks = {race["clock"] for race in gradients.values()}
    kind = "processor time on one core" if clocks == {"cpu"} else "time on the wall"
    text = [
        f"{machine['processor']}, {results['date']}; {versions}; float32. Ratios of {kind} to ours, "
        f"medians over {results['rounds']} rounds in which all take turns.{took}",
        "",
        *_table("value and gradient", gradients, memory=True),
        "",
        *_table("forward", forwards),
    ]
    return "\n".join(text)


def _one(race):
    return len({json.dumps(e["work"]) for e in race["entries"]}) == 1


def _table(title, races, memory=False):
    names = list(dict.fromkeys(e["contestant"] for r in races.values() for e in r["entries"]))
    heads = [key.split(", ")[-1] for key in races]
    extra = ["temp memory, MB", "compile, s"] if memory else []
    lines = [
        f"| {' | '.join([title, *heads, *extra])} |",
        f"|{'---|' * (1 + len(heads) + len(extra))}",
    ]
    for name in names:
        ran = {key: entry_of(race, name) for key, race in races.items()}
        cells = [
            _digits(ratio(entry, base_of(races[key]), races[key]["clock"])[0]) if entry else ""
            for key, entry in ran.items()
        ]
        if memory:
            known = [e for e in ran.values() if e and "temp_bytes" in e]
            sizes = list(dict.fromkeys(_megabytes(e) for e in known[:: max(1, len(known) - 1)]))
            cells += [" to ".join(sizes)]
            cells += [f"{compile_seconds(known[len(known) // 2]):.1f}" if known else ""]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines


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
