"""Where something was measured."""

import os
import pathlib
import platform


def machine(versions: dict[str, str], processor: str | None = None) -> dict:
    """This machine with the versions of what was measured; `processor` where it is another."""
    return {
        "processor": processor or _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
