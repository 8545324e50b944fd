"""The test project, started with the environment variables that people write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.acceptance.servers import ROOT


def test_sqlite_by_its_url(tmp_path: Path) -> None:
    """The file is made, and no check has anything to say about it."""
    file = tmp_path / "site.sqlite3"
    given = {"DATABASE_URL": f"sqlite:///{file}", "DEBUG": "true"}
    for command in (["migrate", "--verbosity=0"], ["check", "--database=default"]):
        done = manage(tmp_path, *command, **given)
        assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    assert file.exists()


def test_a_wrong_value(tmp_path: Path) -> None:
    """The last line says which variable is wrong, and what to write."""
    done = manage(tmp_path, "check", DEBUG="maybe")
    assert done.returncode != 0
    sentence = "DEBUG='maybe': say 1, true, yes or on, or else 0, false, no or off."
    assert done.stderr.rstrip().endswith(sentence)


def manage(folder: Path, *command: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the test project with these variables."""
    services = {"DATABASE_URL", "REDIS_URL"}
    inherited = {name: value for name, value in os.environ.items() if name not in services}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**inherited, "DASF_VAR": str(folder), **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
