"""Who does what: the races, in the order in which they are run.

A contestant is added in its library's file and named here.
"""

import dataclasses

from tests.benchmarks.work import Work


OURS = "EES25", "EES25 + Reversible", "EES25, paths last"
"""What ratios refer to: the first of these that takes part."""


@dataclasses.dataclass(frozen=True)
class Race:
    """Contestants that take turns.

    - `entries`: contestant, task (a method of the contestant) and work of each.
    - `compiles`: how often each is compiled afresh for the time that takes.
    - `timed`: whether they are run at all, or only compiled.
    - `cores`: how many the processes may use. On one, processor time is compared, on more the
      time on the wall, which is worth something on an idle machine alone.
    - `precise`: whether float64 is enabled.
    """

    entries: tuple[tuple[str, str, Work], ...]
    compiles: int = 1
    timed: bool = True
    cores: int = 1
    precise: bool = False


def library_of(contestant: str) -> str:
    first = contestant.split()[0]
    return {"Diffrax": "diffrax_peer", "torchsde": "torchsde_peer"}.get(first, "ours")


def neural(steps, paths=256, dim=32, **other) -> Work:
    return Work("neural", steps, paths, dim, **other)


def lorenz(steps=2000) -> Work:
    return Work("lorenz", steps, 1000, 3, horizon=0.005 * steps, save="all")


def ou(steps=20_000) -> Work:
    return Work("ou", steps, 1, 1, horizon=0.001 * steps, save="all")


FORWARD = (
    "floor",
    "EES25",
    "EES25, wide vectors",
    "Reversible Heun",
    "Diffrax Heun, unsafe path",
    "Diffrax Heun, tree",
    "Diffrax Reversible Heun, tree",
    "torchsde Midpoint",
    "torchsde Reversible Heun",
)
LORENZ = (
    "floor",
    "EES25, paths last",
    "EES25",
    "EES25, mapped",
    "EES25, ensemble",
    "Diffrax Heun, unsafe path",
    "Diffrax Heun, tree",
    "Diffrax Heun, tree, mapped",
    "EES25, wide vectors",
    "EES25, ensemble, wide vectors",
    "torchsde Midpoint",
    "torchsde Reversible Heun",
)
SINGLE = (
    "floor",
    "EES25",
    "Diffrax Heun, unsafe path",
    "Diffrax Heun, tree",
    "torchsde Reversible Heun",
)
GRADIENT = (
    "floor",
    "floor, states free",
    "EES25 + Reversible",
    "EES25 + Reversible, checkpoints",
    "EES25 + StoredStates",
    "EES25 + RecursiveCheckpoint",
    "EES25 + Reversible, ensemble",
    "EES25 + Reversible, wide vectors",
    "EES25 + StoredStates, wide vectors",
    "Reversible Heun + Reversible",
    # Last of ours: giving back its memory would be on the account of who comes next.
    "EES25 + FullBackprop",
    "Diffrax Heun + RecursiveCheckpoint",
    "Diffrax Heun + RecursiveCheckpoint, mapped",
    "Diffrax Heun + Direct",
    "Diffrax Heun + Backsolve",
    "Diffrax Reversible Heun + RecursiveCheckpoint",
    "torchsde Reversible Heun + adjoint",
    "torchsde Reversible Heun + backpropagation",
    "torchsde Midpoint + backpropagation",
)
# A tape of 5000 steps takes gigabytes, and the slowest take minutes a round.
LONG = (
    "floor",
    "floor, states free",
    "EES25 + Reversible",
    "EES25 + StoredStates",
    "EES25 + RecursiveCheckpoint",
    "EES25 + Reversible, wide vectors",
    "EES25 + StoredStates, wide vectors",
    "Reversible Heun + Reversible",
    "Diffrax Heun + RecursiveCheckpoint",
    "torchsde Reversible Heun + adjoint",
)
FEW = (
    "floor",
    "EES25 + Reversible",
    "EES25 + StoredStates",
    "EES25 + RecursiveCheckpoint",
    "EES25 + FullBackprop",
    "Diffrax Heun + RecursiveCheckpoint",
)
# Each followed by its floor, because no library's cost is linear where the machine's is not.
SCALED = (
    ("EES25", "forward"),
    ("floor", "forward"),
    ("EES25 + Reversible", "gradient"),
    ("floor", "gradient"),
)
PATHS = (*SCALED, ("EES25, ensemble", "forward"), ("EES25 + Reversible, ensemble", "gradient"))
SHARED = {
    "forward": ("EES25", "EES25, ensemble", "Diffrax Heun, tree", "torchsde Reversible Heun"),
    "gradient": (
        "EES25 + Reversible",
        "EES25 + Reversible, ensemble",
        "EES25 + StoredStates, ensemble",
        "EES25 + Reversible, ensemble, wide vectors",
        "EES25 + StoredStates, ensemble, wide vectors",
        "Diffrax Heun + RecursiveCheckpoint",
        "torchsde Reversible Heun + adjoint",
    ),
}
KEPT = (
    "floor",
    "EES25 + Reversible",
    "EES25 + RecursiveCheckpoint",
    "Reversible Heun + Reversible",
    "Diffrax Heun + RecursiveCheckpoint",
)


def race(names, task, work, **options) -> Race:
    return Race(tuple((name, task, work) for name in names), **options)


def curve(works, who=SCALED) -> Race:
    # All on one size after another, or a machine that slows down would bend the curves.
    return Race(tuple((name, task, work) for work in works for name, task in who))


FULL = {
    **{f"forward, {n} steps": race(FORWARD, "forward", neural(n)) for n in (50, 200)},
    "forward, 1000 steps": race(FORWARD, "forward", neural(1000), compiles=3),
    "forward, 5000 steps": race(FORWARD[:-2], "forward", neural(5000)),
    "Lorenz": race(LORENZ, "forward", lorenz(), compiles=3),
    "one path": race(SINGLE, "forward", ou(), compiles=3),
    "gradient, 50 steps": race(GRADIENT, "gradient", neural(50), compiles=3),
    "gradient, 200 steps": race(GRADIENT, "gradient", neural(200), compiles=3),
    "gradient, 1000 steps": race(GRADIENT[:12] + GRADIENT[16:], "gradient", neural(1000)),
    "gradient, 5000 steps": race(LONG, "gradient", neural(5000)),
    **{
        f"two cores, {task}": race(names, task, neural(200), cores=2)
        for task, names in SHARED.items()
    },
    "memory": Race(
        tuple((name, "gradient", neural(n)) for name in KEPT for n in (50, 500, 5000, 50_000)),
        timed=False,
    ),
    "cost over steps": curve([neural(n, paths=16) for n in (100, 1000, 10_000, 100_000)]),
    "cost over paths": curve([neural(200, paths=64 * 2**n) for n in range(7)], PATHS),
    "cost over dimension": curve([neural(200, dim=d) for d in (8, 16, 32, 64, 128)]),
}
QUICK = {
    "forward, 50 steps": race(FORWARD[:2] + FORWARD[3:6], "forward", neural(50)),
    "Lorenz, 400 steps": race(LORENZ[:3], "forward", lorenz(400)),
    "one path, 4000 steps": race(SINGLE[:3], "forward", ou(4000)),
    "gradient, 50 steps": race(FEW, "gradient", neural(50)),
}

# A GPU asks the host after every step of a loop whose length its compiler does not know.
KNOWN = "floor", "floor, steps known"
ON_GPU = {
    "forward": (*KNOWN, "EES25", "EES25, steps known", *FORWARD[3:6]),
    "gradient": (
        *KNOWN,
        "EES25 + Reversible",
        "EES25 + Reversible, steps known",
        "EES25 + StoredStates",
        "EES25 + RecursiveCheckpoint",
        "EES25 + FullBackprop",
        "Reversible Heun + Reversible",
        "Diffrax Heun + RecursiveCheckpoint",
    ),
}
MANY = 16_384
GPU = {
    "forward, 1000 steps": race(ON_GPU["forward"], "forward", neural(1000)),
    "forward, many paths": race(ON_GPU["forward"], "forward", neural(200, paths=MANY)),
    "Lorenz": race(LORENZ[:7], "forward", lorenz()),
    "one path": race(SINGLE[:4], "forward", ou(4000)),
    "gradient, 200 steps": race(ON_GPU["gradient"], "gradient", neural(200)),
    "gradient, 1000 steps": race(ON_GPU["gradient"], "gradient", neural(1000)),
    "gradient, many paths": race(ON_GPU["gradient"], "gradient", neural(200, paths=MANY)),
    "gradient, float64": race(
        ON_GPU["gradient"], "gradient", neural(200, dtype="float64"), precise=True
    ),
    "memory": Race(
        tuple((name, "gradient", neural(n)) for name in KEPT[:3] for n in (50, 5000, 50_000)),
        timed=False,
    ),
    "cost over paths": curve([neural(200, paths=n) for n in (256, 4096, 65_536)]),
}

# Whose gradients are compared, in which precision, with whose in float64.
_EXACT = "EES25 + FullBackprop"
_PAIR = "Reversible Heun + FullBackprop"
ACCURACY = (
    ("EES25 + Reversible", "float64", _EXACT),
    ("EES25 + Reversible", "float32", _EXACT),
    ("EES25 + FullBackprop", "float32", _EXACT),
    ("Reversible Heun + Reversible", "float64", _PAIR),
    ("Reversible Heun + Reversible", "float32", _PAIR),
    ("Diffrax Heun + Backsolve", "float64", "Diffrax Heun + RecursiveCheckpoint"),
)
ACCURACY_STEPS = (50, 200, 1000, 5000)
PULLED = "EES25", "Reversible Heun"
PULLS = (10.0, 20.0, 40.0)

# Whether another value compiles anew.
SWEPT = (
    ("EES25 + Reversible", "gradient"),
    ("EES25", "forward"),
    ("Diffrax Heun, tree", "forward"),
    ("Diffrax Heun + RecursiveCheckpoint", "gradient"),
)
