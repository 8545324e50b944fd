"""The machine and the versions that a result was measured with."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "django",
    "strawberry-graphql",
    "graphql-core",
    "channels",
    "uvicorn",
    "uvloop",
    "websockets",
    "httptools",
)


def machine_facts() -> dict[str, str]:
    """Return what a reader must know to compare a result with their own."""
    load = os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load at the start": f"{load:.1f}",
        "kernel": f"{platform.system()} {platform.release()}",
        "files on": _file_system(Path(tempfile.gettempdir())),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: Path) -> str:
    # What a durable write costs is decided here.
    shown = subprocess.run(
        ["df", "-T", folder], capture_output=True, text=True, check=False
    ).stdout.split()
    return shown[-6] if len(shown) > 6 else "unknown"
