#!/usr/bin/env python3
"""Everything from a fresh clone: `python3 run.py app`, or `test`, `notebook`, `bench`.

Needs Python 3.11 or newer and nothing else: makes a virtual environment in .venv, installs the
project there in the versions of requirements.lock, and runs what was asked for.
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys


ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


def main() -> int:
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
        return 1
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    app = commands.add_parser("app", help="install, serve the app and open it in a browser")
    app.add_argument("--port", type=int, default=5006)
    app.add_argument("--address", default="localhost", help="0.0.0.0 to let others in")
    app.add_argument("--no-browser", action="store_true", help="do not open a page")
    app.add_argument("--cuda", action="store_true", help="install JAX for NVIDIA GPUs")
    commands.add_parser(
        "test", help="install and run all tests (needs Chromium), or what pytest is told"
    )
    notebook = commands.add_parser("notebook", help="install and open the notebooks")
    notebook.add_argument("--cuda", action="store_true", help="install JAX for NVIDIA GPUs")
    bench = commands.add_parser("bench", help="install and measure ours beside other libraries")
    bench.add_argument("--quick", action="store_true", help="small work, under a minute")
    bench.add_argument("--cuda", action="store_true", help="on an NVIDIA GPU")
    options, arguments = parser.parse_known_args()
    if arguments and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(arguments)}")

    extras = {options.command} | ({"cuda"} if getattr(options, "cuda", False) else set())
    install(extras)
    if options.command == "app":
        return serve(options)
    if options.command == "notebook":
        return call("-m", "jupyterlab", str(ROOT / "notebooks" / "00_start_here.ipynb"))
    if options.command == "bench":
        how = [*(["--quick"] if options.quick else []), *(["--gpu"] if options.cuda else [])]
        return call("-m", "tests.benchmarks", *how)
    if arguments:
        return call("-m", "pytest", *arguments)
    # A file of tests is one job; four of them compile at a time at most, each in 3 GB or so. What
    # a browser shows is waited for, and the machine should have time for it: it comes alone.
    cores = os.cpu_count() or 1
    return call("-m", "pytest", "-n", str(min(4, cores)), "--ignore", "tests/browser") or call(
        "-m", "pytest", "-n", str(min(2, cores)), "tests/browser"
    )


def install(extras: set[str]) -> None:
    """Installs the project with these extras, unless this very set is there already."""
    wanted = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "requirements.lock").read_bytes()
    stamp = VENV / "installed"
    digest = hashlib.sha256(wanted).hexdigest()
    before = set(stamp.read_text().split()) if stamp.exists() else set()
    if {digest, *extras} <= before:
        return
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        print(f"Making a virtual environment in {VENV} ...", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        except subprocess.CalledProcessError:
            sys.exit("Python's venv module is incomplete; on Debian: apt install python3-venv")
    print("Installing; the first time this takes a few minutes ...", flush=True)
    target = f"{ROOT}[{','.join(sorted(extras))}]"
    lock = str(ROOT / "requirements.lock")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if call(*pip, "--constraint", lock, "--editable", target):
        sys.exit("The installation failed; the messages above say why.")
    kept = before if digest in before else set()
    stamp.write_text("\n".join(sorted({digest, *extras, *kept})) + "\n")


def serve(options) -> int:
    if not options.cuda:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    address = [] if options.address == "localhost" else ["--address", options.address]
    if address:
        address += ["--allow-websocket-origin", "*"]
    return call(
        "-m", "panel", "serve", "app",
        "--port", str(options.port), *address,
        *([] if options.no_browser else ["--show"]),
        "--unused-session-lifetime", "120000",
    )  # fmt: skip


def call(*arguments: str) -> int:
    python = BIN / ("python.exe" if os.name == "nt" else "python")
    try:
        return subprocess.call([str(python), *arguments], cwd=ROOT)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
