"""The readings of the topic ``machine``: load and memory. Uses the standard library only."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MEMINFO = Path("/proc/meminfo")


def reading() -> dict[str, Any]:
    """Return the present state of this machine, ready for JSON."""
    return {
        "host": socket.gethostname(),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "load": load(),
        "memory": memory(),
    }


def load() -> list[float] | None:
    """Return the load averages of 1, 5 and 15 minutes; ``None`` where the system has none."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def memory(meminfo: Path = MEMINFO) -> dict[str, int]:
    """Return bytes: ``total`` and ``available`` on Linux, elsewhere those that can be read."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return _memory_of_process()
    sizes = dict(line.split(":", 1) for line in lines)
    names = {"total": "MemTotal", "available": "MemAvailable"}
    return {ours: int(sizes[theirs].split()[0]) * 1024 for ours, theirs in names.items()}


def _memory_of_process() -> dict[str, int]:
    try:
        import resource
    except ImportError:  # Windows
        return {}
    # macOS counts bytes where the others count kilobytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
