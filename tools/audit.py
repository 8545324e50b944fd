"""Ask the services that know whether anything we install has known weaknesses: `make audit`.

Where a service does not answer it is said, and no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: Runs in an environment of its own, which uv makes.
PIP_AUDIT = ("tool", "run", "--from", "pip-audit==2.10.1", "pip-audit")

#: Folders that hold what others wrote.
FOREIGN = {"node_modules", ".venv", ".pytest_cache", "build"}


def main() -> int:
    """Audit everything; return how many places have weaknesses."""
    failed = 0
    for place, weaknesses in audits():
        if weaknesses is None:
            _say(f"WARNING: {place} was not audited: the service does not answer.")
            continue
        failed += bool(weaknesses)
        _say(f"{place}: {', '.join(weaknesses) or 'nothing known'}")
    return failed


def audits() -> Iterator[tuple[str, list[str] | None]]:
    """Yield each place and its weaknesses, or ``None`` where nobody could be asked."""
    for requirements in sorted(ROOT.glob("requirements/*.txt")):
        yield _name(requirements), python_weaknesses(_pip_audit(requirements))
    for lock in sorted(ROOT.rglob("package-lock.json")):
        if FOREIGN.isdisjoint(lock.relative_to(ROOT).parts):
            yield _name(lock), node_weaknesses(_npm_audit(lock.parent))


def python_weaknesses(report: Any) -> list[str] | None:
    """Return what a report of pip-audit says; ``None`` where it knows of no package at all."""
    if not isinstance(report, dict) or "dependencies" not in report:
        return None
    if all("skip_reason" in package for package in report["dependencies"]):
        return None
    return [
        f"{package['name']} {package['version']} ({weakness['id']})"
        for package in report["dependencies"]
        for weakness in package.get("vulns", ())
    ]


def node_weaknesses(report: Any) -> list[str] | None:
    """Return what a report of npm says; ``None`` where it is none."""
    if not isinstance(report, dict) or "vulnerabilities" not in report:
        return None
    return [f"{name} ({each['severity']})" for name, each in report["vulnerabilities"].items()]


def _pip_audit(requirements: Path) -> Any:
    uv = Path(sys.executable).with_name("uv")
    options = ("--disable-pip", "--no-deps", "--progress-spinner=off", "--format=json")
    return _report([str(uv), *PIP_AUDIT, *options, "--requirement", str(requirements)], ROOT)


def _npm_audit(folder: Path) -> Any:
    return _report(["npm", "audit", "--json", "--package-lock-only"], folder)


def _report(command: list[str], folder: Path) -> Any:
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
