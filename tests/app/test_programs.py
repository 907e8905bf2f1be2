"""A second start finds what the first one compiled, in a folder that is the user's alone."""

import os
import pathlib
import subprocess
import sys
import threading

import pytest
from jax._src import compilation_cache

from app import programs


_START = """
import sys, pathlib
import jax, jax.monitoring

jax.config.update("jax_enable_x64", True)
found = []
jax.monitoring.register_event_listener(
    lambda name, **_: found.append(name.rsplit("/", 1)[-1]) if "compilation_cache" in name else None
)

from app.programs import keep_programs

assert keep_programs(pathlib.Path(sys.argv[1])) is not None
import ees

ees.run(ees.Experiment(model="kepler", schemes=("EES25",)))
print(found.count("cache_hits"), found.count("cache_misses"))
"""


def _start(folder):
    root = pathlib.Path(programs.__file__).parents[1]
    command = [sys.executable, "-W", "error", "-c", _START, str(folder)]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return map(int, found.stdout.split())


def test_a_second_start_compiles_nothing(tmp_path):
    hits, misses = _start(tmp_path)
    assert misses > 0
    again, missed = _start(tmp_path)
    assert (again, missed) == (hits + misses, 0)


def test_a_program_is_read_whole_or_not_at_all(tmp_path):
    """Two processes share the folder: one may read what the other is writing."""
    folder = programs.keep_programs(tmp_path)
    writer, _ = compilation_cache.get_file_cache(str(folder))
    reader, _ = compilation_cache.get_file_cache(str(folder))
    keys, value = [f"jit_f-{i}" for i in range(30)], bytes(1 << 24)
    found = []

    def read():
        for key in keys:
            while (read := reader.get(key)) is None:
                pass
            found.append(len(read))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for key in keys:
        writer.put(key, value)
    thread.join()
    assert found == [len(value)] * len(keys)
    assert {file.is_file() for file in folder.iterdir()} == {True}


def test_a_full_disk_leaves_no_half_of_a_program(tmp_path, monkeypatch):
    folder = programs.keep_programs(tmp_path)
    cache, _ = compilation_cache.get_file_cache(str(folder))

    def full(path, value):
        with path.open("wb") as file:
            file.write(value[: len(value) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "write_bytes", full)
        with pytest.raises(OSError):
            cache.put("jit_f", b"program")
    assert cache.get("jit_f") is None
    cache.put("jit_f", b"program")
    assert cache.get("jit_f") == b"program"


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path):
    (folder,) = [programs.keep_programs(tmp_path / "mine")]
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    programs.keep_programs.cache_clear()
    with pytest.warns(UserWarning, match="others can write"):
        assert programs.keep_programs(tmp_path / "mine") is None


def test_a_file_in_the_way_costs_the_cache_and_not_the_app(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not kept"):
        assert programs.keep_programs(tmp_path / "file") is None


def test_the_oldest_programs_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "_MOST_BYTES", 250)
    for age, name in enumerate(("newest", "older", "oldest")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    programs._forget_the_oldest(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"newest", "older"}


@pytest.mark.parametrize(
    "before, after",
    [
        ("", "--xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL"),
        ("--a=b", "--a=b --xla_gpu_enable_command_buffer=+WHILE,+CONDITIONAL"),
        ("--xla_gpu_enable_command_buffer=", "--xla_gpu_enable_command_buffer="),
    ],
)
def test_loops_stay_on_a_gpu_unless_the_user_says_otherwise(before, after, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", before)
    for _ in range(2):
        programs.keep_loops_on_the_gpu()
        assert os.environ["XLA_FLAGS"] == after


def test_xla_knows_the_flag_and_reads_it_only_then():
    """XLA reads its flags once, and ends the process for one that it does not know."""
    start = """
import jax
from jax._src import xla_bridge
import app.layout
from app.programs import keep_loops_on_the_gpu

assert not xla_bridge.backends_are_initialized()
keep_loops_on_the_gpu()
jax.devices()
"""
    root = pathlib.Path(programs.__file__).parents[1]
    subprocess.run([sys.executable, "-c", start], cwd=root, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    import jax

    monkeypatch.setattr(compilation_cache, "get_file_cache", compilation_cache.get_file_cache)
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    programs.keep_programs.cache_clear()
    yield
    programs.keep_programs.cache_clear()
    for name, value in before.items():
        jax.config.update(name, value)
