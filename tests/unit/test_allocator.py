"""Memory of large texts goes back to the system."""

from __future__ import annotations

import subprocess
import sys

from tests.acceptance.servers import ROOT

#: Frees large texts so that glibc raises its threshold, then keeps a small object behind each one.
_SCRIPT = """
from dasf_broker.concurrency.allocator import return_large_memory
from tests.endurance.memory import resident_memory
print(return_large_memory())
del [bytes(30_000_000)][:]
before, kept = resident_memory("self"), []
large = []
for _ in range(100):
    large.append(b"x" * 1_000_000)
    kept.append(b"y" * 1000)
del large
print(resident_memory("self") - before < 20_000_000)
"""


def test_large_texts_leave_nothing() -> None:
    """A hundred megabytes are back when they are freed, although small objects lie between."""
    command = [sys.executable, "-c", _SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
