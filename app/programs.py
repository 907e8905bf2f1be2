"""How the app compiles: programs kept on disk between two starts, loops kept on a GPU."""

import functools
import hashlib
import os
import pathlib
import platform
import stat
import sys
import tempfile
import warnings

import jax
from jax._src import compilation_cache
from jax._src.lru_cache import LRUCache


_MOST_BYTES = 1 << 30


def prepare() -> None:
    """Makes this process compute as the app does; to be called before JAX does anything."""
    jax.config.update("jax_enable_x64", True)
    # What is computed runs in the thread that asks, with its priority, and none waits in line.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    keep_loops_on_the_gpu()
    keep_programs()


@functools.cache
def keep_programs(folder: pathlib.Path | None = None) -> pathlib.Path | None:
    """Lets JAX keep every program that it compiles, and find it again at the next start.

    Whoever can write to that folder can run code as the user, so it is the user's alone; one
    that is not is not used. The oldest programs go when there is more than a gibibyte.

    **Arguments:** `folder`: where; unless given, `$EES_EXPLORER_CACHE`, or `ees-explorer` in the
    user's cache folder. An empty `$EES_EXPLORER_CACHE` keeps nothing.

    **Returns:** where the programs of this machine are kept; `None` if nothing is kept.
    """
    if folder is None:
        chosen = os.environ.get("EES_EXPLORER_CACHE")
        if chosen == "":
            return None
        folder = pathlib.Path(chosen) if chosen else _cache_folder() / "ees-explorer"
    # A home may be shared by machines whose processors differ.
    machine = "-".join((platform.node(), platform.machine(), jax.__version__))
    folder = folder / hashlib.sha256(machine.encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = os.name == "nt" or _is_private(folder)
        if private:
            _forget_the_oldest(folder)
    except OSError as error:
        warnings.warn(f"Compiled programs are not kept: {error}", stacklevel=2)
        return None
    if not private:
        warnings.warn(
            f"Compiled programs are not kept: others can write to {folder}.", stacklevel=2
        )
        return None
    # JAX has no public way to say how its cache writes.
    compilation_cache.get_file_cache = lambda path: (_WholePrograms(path, max_size=-1), path)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return folder


class _WholePrograms(LRUCache):
    """JAX's cache in a folder, where a program is whole or not there.

    JAX writes in place. A process beside this one then reads half a program, and what a full disk
    has cut short stays for good: at every start JAX warns of it and compiles it again.
    """

    def put(self, key: str, value: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=self.path) as unfinished:
            LRUCache(unfinished, max_size=-1).put(key, value)
            for file in pathlib.Path(unfinished).iterdir():
                file.replace(pathlib.Path(self.path) / file.name)


def keep_loops_on_the_gpu() -> None:
    """Lets a GPU run the loops of this process by itself, if JAX has not computed yet.

    XLA asks the host after every step of a loop whose length it does not know, and we do not tell
    it, so that another number of steps compiles nothing. As parts of a CUDA graph loops do not
    ask: small problems are up to four times as fast. A choice that the user made stays.
    """
    flags, ours = os.environ.get("XLA_FLAGS", ""), "--xla_gpu_enable_command_buffer"
    if ours not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {ours}=+WHILE,+CONDITIONAL".strip()


def _cache_folder() -> pathlib.Path:
    if os.name == "nt":
        return pathlib.Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser()
    if sys.platform == "darwin":
        return pathlib.Path("~/Library/Caches").expanduser()
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def _is_private(folder: pathlib.Path) -> bool:
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _forget_the_oldest(folder: pathlib.Path) -> None:
    files = [(file, file.stat()) for file in folder.rglob("*") if file.is_file()]
    spare = _MOST_BYTES
    for file, found in sorted(files, key=lambda entry: entry[1].st_mtime, reverse=True):
        spare -= found.st_size
        if spare < 0:
            file.unlink(missing_ok=True)
