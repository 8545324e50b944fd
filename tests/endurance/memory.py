"""The memory of a process, looked at from outside or inside."""

from __future__ import annotations

import re
from pathlib import Path


def resident_memory(process: int | str) -> int:
    """Return the resident bytes of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) * 1024
