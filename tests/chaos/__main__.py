"""``python -m tests.chaos --seconds 600 --seeds 1 2 3``: trials with all faults."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.harness.checker import Verdict
from tests.chaos.trial import Plan, hold, own_ground

#: Violations that are shown; the history has them all.
SHOWN = 20


def main() -> int:
    """Hold a trial for each seed; return 1 if one went wrong."""
    asked = _arguments()
    outcomes = [_one(asked.backend, seed, asked.seconds) for seed in asked.seeds]
    return int(not all(outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="Of faults, for each seed.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--backend", choices=["postgres", "sqlite"], default="postgres")
    return parser.parse_args()


def _one(backend: str, seed: int, seconds: float) -> bool:
    folder = Path(tempfile.mkdtemp(prefix=f"dasf-chaos-{seed}-"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)  # noqa: T201

    servers = 1 if backend == "sqlite" else 2
    say(_bold(f"seed {seed}: {seconds:.0f} s of faults on {backend}, {servers} server(s)"))
    with own_ground(folder, backend) as ground:
        verdict = hold(Plan(seconds=seconds, seed=seed, servers=servers), ground, folder, say)
    _show(verdict)
    is_fine = verdict.ok and not verdict.vacuous
    if is_fine:
        shutil.rmtree(folder)
    say(_bold(f"seed {seed}: " + ("fine" if is_fine else f"NOT FINE, see {folder}")))
    return is_fine


def _show(verdict: Verdict) -> None:
    lines = ["", verdict.table(), *verdict.violations[:SHOWN]]
    lines += [f"Nothing to look at: {name}" for name in verdict.vacuous]
    print("\n".join(lines), flush=True)  # noqa: T201


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main())
