"""Real servers in processes of their own, on a database of their own."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import services
from tests.acceptance.databases import copy_of_postgres, new_postgres, new_sqlite

ROOT = Path(__file__).parents[2]

#: Seconds that a server may take to end after SIGTERM.
GRACE = 15.0

#: What a site may run on, by the names of their addresses.
SERVICES = {"DATABASE_URL": services.postgres, "REDIS_URL": services.redis}

#: Redis databases; the tests that run in this process have number 0.
_redis_numbers = itertools.cycle(range(1, 16))

#: Options of uvicorn.
AS_IN_README = shlex.split(
    "--lifespan on --ws dasf_broker.transports.uvicorn:WebSocketProtocol "
    "--ws-per-message-deflate false --ws-max-size 4194304 --timeout-graceful-shutdown 5"
)

#: What a server's process may have come to: it runs, or a test ended it.
_ENDED = (None, -signal.SIGTERM, -signal.SIGKILL)

_PREPARE = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from dasf_broker.auth import create_token
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
topics, people = json.load(sys.stdin)
rows = {slug: BrokerTopic.objects.create(slug=slug, **fields) for slug, fields in topics.items()}
keys = {}
for name, rights in people.items():
    user = get_user_model().objects.create_user(name)
    for right in rights:
        for topic in rows.values():
            grant(user, topic, Right(right))
    keys[name] = create_token(user)[1]
print(json.dumps(keys))
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def graphql(self) -> str:
        """Where GraphQL is reached over HTTP."""
        return f"http://127.0.0.1:{self.port}/graphql/"

    @property
    def graphql_websocket(self) -> str:
        """Where GraphQL is reached over websockets."""
        return f"ws://127.0.0.1:{self.port}/graphql/"

    def stop(self) -> int:
        """End the server as a process manager does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the server as a power failure does."""
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Site:
    """A deployment: a migrated database, and as many servers as are started."""

    folder: Path
    environment: Mapping[str, str]
    #: Where the project is: this repository's, or a host's.
    root: Path = ROOT
    #: What its servers serve.
    application: str = "testproject.asgi:application"

    def run(self, *command: str, given: str = "") -> str:
        """Run a Python command on the site; return what it printed."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(
        self, topics: Mapping[str, Mapping[str, Any]], people: Mapping[str, Sequence[str]]
    ) -> dict[str, str]:
        """Create topics with these fields and people with these rights on all of them.

        Returns
        -------
        dict
            The key of a token for each of the people.
        """
        keys: dict[str, str] = json.loads(
            self.run("-c", _PREPARE, given=json.dumps([topics, people]))
        )
        return keys

    @contextmanager
    def server(
        self,
        *options: str,
        application: str | None = None,
        port: int | None = None,
        **environment: str,
    ) -> Iterator[Server]:
        """Run one more server process, and stop it at the end, unless the test ended it.

        Parameters
        ----------
        *options
            Further options of uvicorn.
        application
            What it serves, if it is not the application of the site.
        port
            Where it listens; without it, where nobody does.
        **environment
            Further environment variables.
        """
        port, application = port or services.free_port(), application or self.application
        given = ["--port", str(port), "--log-level", "warning", *AS_IN_README]
        log = self.folder / f"server-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", application, *given, *options],
                cwd=self.root,
                env={**self.environment, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, port)
        try:
            _wait_until_it_listens(server, log)
            yield server
            assert process.poll() in _ENDED, f"The server died:\n{log.read_text()}"
        finally:
            if process.poll() is None:
                server.stop()


@contextmanager
def copy_of(original: Site, folder: Path) -> Iterator[Site]:
    """Make another site with a copy of the database as it is now; no server may be running."""
    own = {"DASF_VAR": str(folder)}
    with ExitStack() as stack:
        if (database := original.environment.get("DATABASE_URL")) is not None:
            own["DATABASE_URL"] = stack.enter_context(copy_of_postgres(database))
        else:
            shutil.copy(original.folder / "db.sqlite3", folder)
        if (redis := original.environment.get("REDIS_URL")) is not None:
            own["REDIS_URL"] = _own_redis(redis)
        yield Site(folder, {**original.environment, **own})


@contextmanager
def site(folder: Path, **environment: str) -> Iterator[Site]:
    """Make a site with a fresh database on the backend of this test run.

    Parameters
    ----------
    folder
        An empty folder for the database of SQLite and for logs.
    **environment
        Further environment variables of all its processes, for instance ``REDIS_CAPACITY``; a
        ``DATABASE_URL`` or ``REDIS_URL`` is that of another server.
    """
    database, redis = (environment.pop(name, os.environ.get(name)) for name in SERVICES)
    with _site(folder, database, redis, environment) as made:
        yield made


@contextmanager
def site_on(folder: Path, database: str | None, redis: str | None) -> Iterator[Site]:
    """Make a site on these services, which are nobody else's; without them on SQLite."""
    settings = {"DJANGO_SETTINGS_MODULE": "testproject.settings"}
    with _site(folder, database, redis, settings) as made:
        yield made


@contextmanager
def site_for_several(folder: Path, **environment: str) -> Iterator[Site]:
    """Make a site on PostgreSQL and Redis, whatever the backend of this test run is."""
    with ExitStack() as stack:
        for name, service in SERVICES.items():
            if name not in {**os.environ, **environment}:
                environment[name] = stack.enter_context(service())
        yield stack.enter_context(site(folder, **environment))


@contextmanager
def _site(
    folder: Path, database: str | None, redis: str | None, environment: Mapping[str, str]
) -> Iterator[Site]:
    inherited = {name: value for name, value in os.environ.items() if name.isupper()}
    own = {
        "DASF_VAR": str(folder),
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_hex(),
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    with ExitStack() as stack:
        if database is not None:
            own["DATABASE_URL"] = stack.enter_context(new_postgres(database))
        else:
            new_sqlite(folder)
        if redis is not None:
            own["REDIS_URL"] = _own_redis(redis)
        yield Site(folder, {**inherited, **own, **environment})


def _own_redis(url: str) -> str:
    return f"{url.rpartition('/')[0]}/{next(_redis_numbers)}"


def _wait_until_it_listens(server: Server, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            services.wait_for_port(server.port, seconds=0.5)
        except OSError:
            assert server.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        else:
            return
