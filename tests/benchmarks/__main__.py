"""Sets us beside other libraries: `python3 run.py bench`, `python3 run.py bench --quick`.

Every contestant does the same work, one library to a process, all on one core, taking turns
round by round; ratios are of processor time within a round, which a busy machine spoils least.
The full run takes an hour or so; its results go to assets/benchmarks and into the README. Once
installed, `python -m tests.benchmarks --help` has more.
"""

import argparse
import contextlib
import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata

from tests.benchmarks import accuracy, plan, report
from tests.benchmarks.goals import check
from tests.benchmarks.machine import machine
from tests.benchmarks.rounds import ROOT, Worker, run_race
from tests.benchmarks.torchsde_environment import PACKAGES, torchsde_python


FOLDER = ROOT / "assets" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small work, under a minute")
    parser.add_argument("--rounds", type=int, default=7, help="of each race; 7 unless given")
    parser.add_argument("--gpu", action="store_true", help="on JAX's GPU, by time on the wall")
    parser.add_argument("--name", help="of the file of results, in place of the processor's")
    parser.add_argument("--only", nargs="+", metavar="RACE", help="run these, keep other results")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: it must be at least 1.")
    races = plan.QUICK if options.quick else plan.GPU if options.gpu else plan.FULL
    exact = {
        "compilations": (plan.SWEPT,),
        "errors": (plan.ACCURACY, plan.ACCURACY_STEPS),
        "contraction": (plan.PULLED, plan.PULLS),
    }
    if options.quick:
        # What is compiled least: our gradient in either precision, on the fewest steps.
        exact = {
            "compilations": (plan.SWEPT[:1],),
            "errors": (plan.ACCURACY[:3], plan.ACCURACY_STEPS[:1]),
        }
    elif options.gpu:
        exact = {"errors": (plan.ACCURACY[:3], plan.ACCURACY_STEPS[:3])}
    sections = [*races, *exact]
    unknown = set(options.only or ()) - set(sections)
    if unknown:
        parser.error(f"--only {sorted(unknown)}: there are {sections}.")
    processor = _graphics_processor(options) if options.gpu else None
    own = processor.lower().replace(" ", "-") if processor else "cpu"
    # Quick results are for the eye: only a run with a name or in full leaves a file.
    name = options.name or (None if options.quick else own)
    path = FOLDER / f"{name}.json" if name else None

    pythons = {"ours": sys.executable, "diffrax_peer": sys.executable}
    versions = {"Python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in ("jax", "jaxlib", "diffrax")}
    if not (options.quick or options.gpu):
        python, reason = torchsde_python()
        if python is None:
            print(f"Without torchsde: {reason}", flush=True)
        else:
            pythons["torchsde_peer"] = python
            versions |= dict(package.split("==") for package in PACKAGES)
    wanted = set(options.only or sections)
    results = _results(options, path, machine(versions, processor))

    def keep(where, key, found, lines):
        where[key] = found
        print("\n".join([*lines, ""]), flush=True)
        if path is not None:
            report.save(results, path)

    for cores, precise in sorted({(race.cores, race.precise) for race in races.values()}):
        alike = [key for key in races if (races[key].cores, races[key].precise) == (cores, precise)]
        chosen = [key for key in alike if key in wanted]
        with _crew(pythons if chosen else {}, cores, options, precise) as workers:
            for key in chosen:
                found = {
                    "date": datetime.date.today().isoformat(),
                    "commit": _commit(),
                    "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
                    "clock": "wall" if options.gpu or cores > 1 else "cpu",
                    "entries": run_race(races[key], workers, options.rounds),
                }
                keep(results["races"], key, found, report.lines_of(key, found))
    pythons.pop("torchsde_peer", None)
    with _crew(pythons if wanted & exact.keys() else {}, 1, options, precise=True) as workers:
        for key in [key for key in exact if key in wanted]:
            found = getattr(accuracy, key)(workers, *exact[key])
            keep(results, key, found, [key, *(f"  {row}" for row in found)])
    print("\n".join(["goals", *check(results)]))
    if name == own:
        readme = ROOT / "README.md"
        readme.write_text(report.rewrite(readme.read_text(), report.part(FOLDER)))


@contextlib.contextmanager
def _crew(pythons, cores, options, precise=False):
    """A worker for each library, in its Python, on the last cores that we may use."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    pinned = allowed[-cores:] if allowed and not options.gpu else None
    where = {"JAX_PLATFORMS": "cuda" if options.gpu else "cpu"}
    if options.gpu:
        # XLA would multiply matrices of float32 in fewer bits; and each process would take the
        # memory of the whole card.
        where |= {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
        where |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if precise:
        where["JAX_ENABLE_X64"] = "1"
    with contextlib.ExitStack() as stack:
        workers = {}
        for library, python in pythons.items():
            # Ours deals paths out to devices, of which a CPU is one unless it is told otherwise.
            own = {"JAX_NUM_CPU_DEVICES": str(cores)} if library == "ours" else {}
            workers[library] = stack.enter_context(Worker(python, library, pinned, **where, **own))
        yield workers


def _results(options, path, here) -> dict:
    """Results to fill: those of the file, where some are made again on the same machine."""
    if options.only and path and path.exists():
        before = report.load(path)
        if before["machine"] == here and before["rounds"] == options.rounds:
            return before
    return {
        "date": datetime.date.today().isoformat(),
        "rounds": options.rounds,
        "machine": here,
        "races": {},
    }


def _graphics_processor(options) -> str:
    with _crew({"ours": sys.executable}, 1, options) as workers:
        return workers["ours"].ask("device")


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
