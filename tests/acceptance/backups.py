"""Back up and restore the database of a site, as operators do."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.acceptance.servers import Site
from tests.services import postgres_program


def back_up(site: Site) -> Path:
    """Write a backup while servers run; return its file."""
    database = site.environment.get("DATABASE_URL")
    if database is None:
        backup = site.folder / "backup.sqlite3"
        _copy(site.folder / "db.sqlite3", backup)
        return backup
    backup = site.folder / "backup.dump"
    _run("pg_dump", "--format", "custom", "--file", str(backup), database)
    return backup


def restore(site: Site, backup: Path) -> None:
    """Put a backup in the place of the database, in one transaction, while servers run."""
    database = site.environment.get("DATABASE_URL")
    if database is None:
        _copy(backup, site.folder / "db.sqlite3")
    else:
        options = ["--clean", "--if-exists", "--single-transaction"]
        _run("pg_restore", *options, "--dbname", database, str(backup))


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [postgres_program(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
