"""Imports run one way, importing computes nothing, and every public name says what it is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ees


ROOT = Path(ees.__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT) for folder in ("ees", "app") for path in (ROOT / folder).rglob("*.py")
)

# Room of `ees` -> the rooms that it may import from; a room may always import from itself.
ALLOWED = {
    "_pytree": set(),
    "_checks": set(),
    "trees": set(),
    "tableau": set(),
    "results": set(),
    "drivers": {"_pytree"},
    "fields": {"_pytree", "drivers"},
    "schemes": {"_pytree", "tableau", "drivers", "fields"},
    "adjoints": {"_pytree", "trees", "drivers", "fields", "schemes"},
    "solve": {"_pytree", "drivers", "fields", "schemes", "adjoints"},
    "ensemble": {"_pytree", "drivers", "fields", "schemes", "adjoints", "solve"},
    "models": {"drivers", "fields"},
    "diagnostics": {"_pytree", "trees", "drivers", "fields", "schemes", "adjoints", "solve"},
    "questions": {"results", "drivers", "schemes", "adjoints", "solve", "diagnostics"},
    "experiment": {
        *("_checks", "results", "drivers", "fields", "schemes", "solve", "models", "questions")
    },
}
# What each room may build on, from the left to the right; nothing imports to its right.
ORDER = list(ALLOWED)
SCREEN = {"app", "panel", "panel_material_ui", "bokeh", "holoviews", "matplotlib", "param"}


def _imported(path):
    """The dotted names that a module imports, at the top or anywhere inside."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            # `from ees import tableau` imports a module, `from ees import solve` a name of one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _rooms(path):
    """The rooms of `ees` that a module imports from; a name of `ees` itself is in none."""
    return {name.split(".")[1] for name in _imported(path) if name.startswith("ees.")}


def _room(path):
    return path.parts[1].removesuffix(".py")


def test_the_rooms_are_those_that_the_rule_speaks_of():
    rooms = {_room(path) for path in MODULES if path.parts[0] == "ees"} - {"__init__"}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "ees"], ids=str)
def test_the_library_imports_one_way_and_nothing_that_shows(path):
    assert not {name.split(".")[0] for name in _imported(path)} & SCREEN
    if _room(path) != "__init__":
        assert _rooms(path) <= ALLOWED[_room(path)] | {_room(path)}


def test_the_rule_itself_runs_one_way():
    for room, below in ALLOWED.items():
        assert all(ORDER.index(other) < ORDER.index(room) for other in below)


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "app"], ids=str)
def test_the_app_reaches_no_private_part_of_the_library(path):
    for name in _imported(path):
        parts = name.split(".")
        assert parts[0] != "ees" or not any(part.startswith("_") for part in parts), name


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_name_is_defined_twice_at_the_top_of_a_module(path):
    body = ast.parse((ROOT / path).read_text()).body
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = [node.name for node in body if isinstance(node, kinds)]
    assert len(names) == len(set(names)), names


def test_importing_the_library_starts_no_backend_and_loads_nothing_that_shows():
    # The platform can be chosen until a backend starts, and a name that is none makes any start
    # fail; JAX ran something before if the last line does not raise.
    program = f"""
import jax
jax.config.update("jax_platforms", "nowhere")
import sys
import ees
assert not set(sys.modules) & {SCREEN | {"optax", "diffrax"}!r}
assert not jax.config.jax_enable_x64
# What a first solve does not need is not waited for.
later = "diagnostics", "experiment", "models", "questions", "results"
assert not set(sys.modules) & {{"numpy.polynomial", *(f"ees.{{room}}" for room in later)}}
try:
    jax.devices()
except RuntimeError as error:
    assert "nowhere" in str(error)
else:
    raise AssertionError("a backend had started")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def _documented_constants():
    """Names that a module of `ees` assigns at its top, with a string under the assignment."""
    for path in (path for path in MODULES if path.parts[0] == "ees"):
        body = ast.parse((ROOT / path).read_text()).body
        for here, following in zip(body, body[1:]):
            if isinstance(here, ast.Assign) and isinstance(following, ast.Expr):
                yield from (target.id for target in here.targets)


@pytest.mark.parametrize("name", ees.__all__)
def test_every_public_name_is_there_and_has_a_docstring(name):
    thing = getattr(ees, name)
    if callable(thing):
        assert thing.__doc__ and thing.__doc__.strip()
        # A dataclass without one is given its signature.
        assert not thing.__doc__.startswith(f"{thing.__name__}(")
    else:
        assert name in _documented_constants()
    if isinstance(thing, dict):
        assert all(make.__doc__ for make in thing.values())


def test_the_public_names_are_sorted_and_each_listed_once():
    assert ees.__all__ == sorted(set(ees.__all__))
