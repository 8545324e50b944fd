"""Databases for sites: migrated once for each process of tests, and copied."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

ROOT = Path(__file__).parents[2]


def new_sqlite(folder: Path) -> None:
    """Put a migrated database of SQLite, without rows of ours, where a site expects it."""
    shutil.copy(_migrated_sqlite(), folder)


@contextmanager
def new_postgres(server: str) -> Iterator[str]:
    """Create a migrated database, without rows of ours, on a server; yield its URL."""
    with copy_of_postgres(_migrated_postgres(server)) as url:
        yield url


@contextmanager
def copy_of_postgres(original: str) -> Iterator[str]:
    """Copy a database that nobody is connected to; yield the URL of the copy."""
    url = _create(original, template=original.rpartition("/")[2])
    yield url
    # The server may have been killed meanwhile, and its connections with it.
    with psycopg.connect(_maintenance(url), autocommit=True) as connection:
        name = url.rpartition("/")[2]
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@cache
def _migrated_sqlite() -> Path:
    folder = TemporaryDirectory(prefix="dasf-migrated-")
    atexit.register(folder.cleanup)
    _migrate({"DASF_VAR": folder.name})
    return Path(folder.name) / "db.sqlite3"


@cache
def _migrated_postgres(server: str) -> str:
    url = _create(server, template="template1")
    _migrate({"DATABASE_URL": url})
    return url


def _create(server: str, *, template: str) -> str:
    name = f"site_{secrets.token_hex(4)}"
    with psycopg.connect(_maintenance(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"{server.rpartition('/')[0]}/{name}"


def _maintenance(url: str) -> str:
    # Nobody may be connected to a database that is copied.
    return f"{url.rpartition('/')[0]}/postgres"


def _migrate(own: Mapping[str, str]) -> None:
    services = {"DATABASE_URL", "REDIS_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in services}
    environment |= {"DJANGO_SETTINGS_MODULE": "testproject.settings", **own}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
