"""``python -m tests.attack``: all attacks of strangers at once, for three minutes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.attack.strangers import ATTACKS
from tests.attack.trial import hold


def main() -> int:
    """Hold a trial; return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="How long they attack.")
    parser.add_argument("attacks", nargs="*", choices=[[], *ATTACKS], help="All without it.")
    asked = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="dasf-attack-") as folder:
        report = hold(Path(folder), asked.seconds, say, *asked.attacks)
    violations = report.violations()
    print("\n".join(["", report.table(), "", *(violations or ["All promises hold."])]))  # noqa: T201
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
