"""A host on PostgreSQL with Django's connection pool, on good days and on bad ones."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest

from tests import services
from tests.acceptance.servers import Server, Site
from tests.hosts.projects import Services, host_project

_SETTINGS = """
import json
ROOT_URLCONF = "mysite.host_urls"
DATABASES["default"]["OPTIONS"] = {"pool": json.loads(os.environ.get("POOL", "true"))}
DASF_STORE_MESSAGES = os.environ.get("STORE", "cache")
"""

_URLS = """
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from mysite.urls import urlpatterns

def page(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [request.GET.get("seconds", 0)])
    return HttpResponse("the host's own page")

urlpatterns = [*urlpatterns, path("page/", page)]
"""

_PUBLISH = 'mutation { publishMessage(input: {topic: "weather", text: "x"}) { status } }'
_QUERY = '{ topic(slug: "weather") { slug outstandingCount } }'

#: Seconds in which the broker works again, once its database does.
HEALED = 5.0


@dataclass(frozen=True)
class Host:
    """The project of a host, and the database that it runs on."""

    site: Site
    database: str
    key: str

    def ask(self, server: Server, document: str) -> Any:
        """Send an operation as Ada; return the data, or the extensions of the error."""
        answer = httpx.post(
            server.graphql,
            json={"query": document},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=40,
        ).json()
        return answer["errors"][0]["extensions"] if "errors" in answer else answer["data"]

    def execute(self, statement: str) -> None:
        """Execute a statement as the administrator of the database."""
        writable = "-c default_transaction_read_only=off"
        with psycopg.connect(self.database, autocommit=True, options=writable) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def server(
        self, pool: Any = True, store: str = "cache"
    ) -> Iterator[tuple[Server, Callable[[], str]]]:
        """Run a server; yield it, and what returns its log."""
        with self.site.server(POOL=json.dumps(pool), STORE=store) as server:
            log = self.site.folder / f"server-{server.port}.log"
            yield server, log.read_text


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Make a project with Django's own pool."""
    folder = tmp_path_factory.mktemp("host")
    with (
        services.postgres() as database,
        host_project(
            folder,
            Services(database),
            settings=_SETTINGS,
            files={"mysite/host_urls.py": _URLS},
            migrate=False,
        ) as site,
    ):
        site.run("manage.py", "migrate", "--verbosity", "0", "--skip-checks")
        keys = site.prepare({"weather": {}}, {"ada": ["can_produce", "can_consume"]})
        yield Host(site, site.environment["HOST_DATABASE_URL"], keys["ada"])


def test_the_check_has_the_arithmetic(host: Host) -> None:
    """Four connections are not enough, and the error says why; so many are."""
    told = _check(host.site, "true")
    assert "dasf_broker.E010" in told
    assert "at most 4 connections" in told
    assert "4 that read, also for the hub (DASF_DATABASE_THREADS) + 1 that writes" in told
    assert "no issues" in _check(host.site, '{"max_size": 6}')


def test_the_pages_of_the_host_get_connections(host: Host) -> None:
    """While all threads of the broker are busy, and when they have nothing to do."""
    is_over = Event()

    def ask_on(document: str) -> list[Any]:
        answers = []
        while not is_over.is_set():
            answers.append(host.ask(server, document))
        return answers

    with host.server() as (server, _), ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(ask_on, each) for each in [_QUERY, _PUBLISH] * 4]
        page = f"http://127.0.0.1:{server.port}/page/"
        try:
            busy = [httpx.get(page, timeout=40).status_code for _ in range(5)]
        finally:
            is_over.set()
        answers = [each for client in asking for each in client.result()]
        idle = [httpx.get(page, timeout=40).status_code for _ in range(2)]
    assert busy == [200] * 5
    assert idle == [200] * 2
    assert answers
    assert not [each for each in answers if "code" in each]


def test_a_database_that_is_read_only_for_a_while(host: Host) -> None:
    """Its sessions stay so as long as they last: they are not used again, and it heals."""
    database = host.database.rpartition("/")[2]
    with host.server(pool={"max_size": 8}) as (server, log):
        assert host.ask(server, _PUBLISH)["publishMessage"] == {"status": "STORED"}
        host.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        _end_sessions(host)
        refused = _until(lambda: host.ask(server, _PUBLISH), lambda _: "25006" in log())
        assert refused["code"] == "UNAVAILABLE"
        with ThreadPoolExecutor(8) as clients:  # all sessions of the pool are new, and read-only
            read = [*clients.map(lambda _: host.ask(server, _QUERY), range(50))]
        assert all("topic" in each for each in read)
        host.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        begun = time.monotonic()
        _until(lambda: host.ask(server, _PUBLISH), lambda each: "publishMessage" in each)
        assert time.monotonic() - begun < HEALED
        _until(lambda: host.ask(server, _PUBLISH), lambda _: "works again" in log())
    lines = [each for each in log().splitlines() if refused["logId"] in each]
    assert lines[0].startswith("The database failed while ")
    assert lines[-1].startswith("The database works again, after ")
    assert any("read-only transaction" in each for each in lines[:-1])


def test_a_pool_that_is_exhausted(host: Host) -> None:
    """The log says so, and how many connections there are."""
    pool = {"min_size": 1, "max_size": 1, "timeout": 1}
    with host.server(pool=pool) as (server, log), ThreadPoolExecutor(1) as client:
        host.ask(server, _QUERY)
        slow = client.submit(httpx.get, f"http://127.0.0.1:{server.port}/page/?seconds=3")
        refused = _until(lambda: host.ask(server, _QUERY), lambda each: "code" in each)
        slow.result()
        _until(lambda: host.ask(server, _PUBLISH), lambda _: "works again" in log())
    begin, end = (each for each in log().splitlines() if refused["logId"] in each)
    assert "PoolTimeout: couldn't get a connection after 1.00 sec" in begin
    assert "has 1 of at most 1 connections" in begin
    assert "works again" in end


def test_two_servers_with_different_settings(host: Host) -> None:
    """The second one says so, and which the other one is: they do not answer alike."""
    pool = {"max_size": 8}
    with host.server(pool) as (first, _), host.server(pool, "disabled") as (second, log):
        status = [host.ask(each, _PUBLISH)["publishMessage"]["status"] for each in (first, second)]
        assert status == ["STORED", "SENT"]
        _until(log, lambda told: "different storage settings" in told)
        [line] = [each for each in log().splitlines() if "different storage settings" in each]
        here, there = (f"{socket.gethostname()}:{each.process.pid}" for each in (second, first))
        assert f"DASF_STORE_SOURCE_MESSAGES is disabled here ({here}) and cache at {there}" in line
        assert "DASF_STORE_RESPONSE_MESSAGES is disabled" in line
        assert "DASF_MAX_BACKLOG" not in line


def _check(site: Site, pool: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=site.root,
        env={**site.environment, "POOL": pool},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


def _end_sessions(host: Host) -> None:
    host.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def _until(act: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    """Do something again and again; return what came of it when it was done."""
    end = time.monotonic() + 30
    while not is_done(came := act()):
        assert time.monotonic() < end, came
    return came
