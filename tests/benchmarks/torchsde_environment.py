"""torchsde's own environment, made when it is first wanted."""

import os
import pathlib
import subprocess
import sys

from tests.benchmarks.rounds import ROOT


FOLDER = ROOT / ".venv" / "torchsde"
# On Linux the plain wheel of PyTorch brings gigabytes of CUDA.
_CPU = "+cpu" if sys.platform == "linux" else ""
PACKAGES = "torchsde==0.2.6", f"torch==2.13.0{_CPU}"


def torchsde_python() -> tuple[pathlib.Path | None, str]:
    """Its Python, or `None` and the reason why there is none."""
    python = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if _imports(python):
        return python, ""
    print("Making an environment for torchsde ...", flush=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for command in ([sys.executable, "-m", "venv", FOLDER], [*pip, *PACKAGES]):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            # Not found is the usual reason: a CPU build is not in every index.
            last = (run.stderr.strip().splitlines() or ["no message"])[-1]
            return None, (
                f"{' '.join(PACKAGES)} cannot be installed ({last}). PyTorch has an index with "
                f"its CPU builds; tell pip of it, for instance in PIP_EXTRA_INDEX_URL."
            )
    return (python, "") if _imports(python) else (None, "it is installed and does not start.")


def _imports(python) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import torchsde"], capture_output=True).returncode == 0
