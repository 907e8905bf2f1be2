"""How right the gradients are, and what compiles again: numbers that no clock decides."""

import numpy as np

from tests.benchmarks import plan
from tests.benchmarks.rounds import Failed, load, result


# Few paths, so that the tape of 5000 steps in float64 fits.
PATHS = 32


def errors(workers, contestants, steps) -> list[dict]:
    """Relative L2 errors against exact gradients in float64, of the same scheme and noise.

    **Arguments:** `workers` with float64 enabled; `contestants`: each with its precision and
    the contestant that is right.
    """
    found = []
    for n in steps:
        truths = {}
        for contestant, dtype, right in contestants:
            if right not in truths:
                truths[right] = _gradient(workers, right, n, "float64")
            error = _relative(_gradient(workers, contestant, n, dtype), truths[right])
            found.append({"contestant": contestant, "dtype": dtype, "steps": n, "error": error})
    return found


def contraction(workers, schemes, pulls, steps=1000) -> list[dict]:
    """Where the drift pulls hard, in float32: the gradient beside the start that is rebuilt."""
    found = []
    for pull in pulls:
        for scheme in schemes:
            options = {"pull": pull}
            truth = _gradient(workers, f"{scheme} + FullBackprop", steps, "float64", **options)
            name = f"{scheme} + Reversible"
            gradient = _gradient(workers, name, steps, "float32", **options)
            rebuilt = result(
                workers, name, "reconstruction", plan.neural(steps, paths=PATHS, **options)
            )
            found.append(
                {
                    "contestant": name,
                    "pull": pull,
                    "steps": steps,
                    "error": _relative(gradient, truth),
                    "reconstruction": _plain(rebuilt[0]),
                }
            )
    return found


def compilations(workers, contestants, steps=1000) -> list[dict]:
    """How often another value compiles anew."""
    found = []
    for contestant, task in contestants:
        work = plan.neural(steps, paths=4, dim=4)
        try:
            worker, program = load(workers, contestant, task, work)
            counts = worker.ask("compilations", program=program)
            found.append({"contestant": contestant, "task": task, "counts": counts})
            worker.ask("drop", program=program)
        except (Failed, KeyError) as error:
            found.append({"contestant": contestant, "task": task, "error": str(error)})
    return found


def _gradient(workers, contestant, steps, dtype, **options):
    work = plan.neural(steps, paths=PATHS, dtype=dtype, **options)
    return result(workers, contestant, "gradient", work)


def _relative(found, truth):
    return _plain(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def _plain(number):
    """JSON has no infinity: what is not finite is `None`."""
    return float(number) if np.isfinite(number) else None
