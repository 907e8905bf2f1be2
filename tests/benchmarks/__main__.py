"""Sets us beside our peers: `python3 run.py bench`, `python3 run.py bench --quick`.

Every contestant does the same work, one library to a process, all on one core, taking turns
round by round; ratios are of processor time within a round, so that a busy machine tells little
lies. The full run takes about an hour; its results go to assets/benchmarks and the README.
"""

import argparse
import datetime
import os
import pathlib
import platform
import subprocess
import sys

from tests.benchmarks import accuracy, plan, report
from tests.benchmarks.goals import check
from tests.benchmarks.rounds import ROOT, Failed, Worker, run_race
from tests.benchmarks.torchsde_environment import torchsde_python


FOLDER = ROOT / "assets" / "benchmarks"


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small work, under a minute")
    parser.add_argument("--rounds", type=int, default=7, help="of each race; 7 unless given")
    parser.add_argument("--gpu", action="store_true", help="on JAX's GPU, by time on the wall")
    parser.add_argument("--name", help='of the file of results; "cpu" unless given')
    parser.add_argument("--only", nargs="+", metavar="RACE", help="run these, keep other results")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: it must be at least 1.")
    races = plan.QUICK if options.quick else plan.FULL
    sections = [*races, "compilations", "errors", "contraction"]
    unknown = set(options.only or ()) - set(sections)
    if unknown:
        parser.error(f"--only {sorted(unknown)}: there are {sections}.")
    # Quick results are for the eye: only a run with a name or in full leaves a file.
    name = options.name or (None if options.quick else "gpu" if options.gpu else "cpu")
    path = FOLDER / f"{name}.json" if name else None

    clock = "wall" if options.gpu else "cpu"
    where = {"JAX_PLATFORMS": "cuda" if options.gpu else "cpu"}
    cores = None if options.gpu else _one_core()
    libraries = ["ours", "diffrax_peer"]
    if not (options.quick or options.gpu):
        libraries.append("torchsde_peer")
    workers = _start(where, cores, libraries)
    results = _results(workers, clock, options, path)
    wanted = set(options.only or sections)
    for key in [key for key in races if key in wanted]:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        entries = run_race(races[key], workers, options.rounds)
        results["races"][key] = {"load": load, "entries": entries}
        _say(report.lines_of(key, results["races"][key], clock))
        _keep(results, path)
    if "compilations" in wanted:
        _section(results, "compilations", path, workers, plan.SWEPT[: 1 if options.quick else None])
    for worker in workers.values():
        worker.close()
    if options.quick:
        # The first three say what the solver is worth, and the first number of steps.
        exact = {"errors": (plan.ACCURACY[:3], plan.ACCURACY_STEPS[:1])}
    else:
        exact = {
            "errors": (plan.ACCURACY, plan.ACCURACY_STEPS),
            "contraction": (plan.PULLED, plan.PULLS),
        }
    libraries = {plan.library_of(name) for name, *_ in plan.ACCURACY[: 3 if options.quick else None]}
    if wanted & exact.keys():
        precise = _start({**where, "JAX_ENABLE_X64": "1"}, cores, libraries)
        for key in [key for key in exact if key in wanted]:
            _section(results, key, path, precise, *exact[key])
        for worker in precise.values():
            worker.close()
    _say(["goals", *check(results)])
    if name == "cpu":
        readme = ROOT / "README.md"
        readme.write_text(report.rewrite(readme.read_text(), report.markdown(results)))


def _section(results, key, path, workers, *arguments):
    results[key] = getattr(accuracy, key)(workers, *arguments)
    _say([key, *(f"  {row}" for row in results[key])])
    _keep(results, path)


def _start(where, cores, libraries) -> dict[str, Worker]:
    workers = {}
    for library in libraries:
        python, reason = torchsde_python() if library == "torchsde_peer" else (sys.executable, "")
        try:
            if python is None:
                raise Failed(reason)
            worker = Worker(python, library, cores, **where)
            worker.ask("facts")
            workers[library] = worker
        except Failed as error:
            _say([f"Without {library}: {error}"])
    return workers


def _results(workers, clock, options, path) -> dict:
    """Results to fill: those of the file, where some races are run again on the same machine."""
    facts = [worker.ask("facts") for worker in workers.values()]
    versions = {"Python": platform.python_version()}
    for found in facts:
        versions |= found["versions"]
    machine = {
        "processor": facts[0].get("device") if options.gpu else _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }
    if options.only and path and path.exists():
        before = report.load(path)
        if before["machine"] == machine and before["rounds"] == options.rounds:
            return before
    return {
        "date": datetime.date.today().isoformat(),
        "commit": _commit(),
        "clock": clock,
        "rounds": options.rounds,
        "machine": machine,
        "races": {},
    }


def _one_core():
    """The last core we may use: the first often serves interrupts."""
    return sorted(os.sched_getaffinity(0))[-1:] if hasattr(os, "sched_getaffinity") else None


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()


def _keep(results, path):
    if path is not None:
        report.save(results, path)


def _say(lines):
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
