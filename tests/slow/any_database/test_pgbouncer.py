"""The settings of `docs/howto/pgbouncer.md`, behind a real pgbouncer in transaction mode."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tests import services
from tests.acceptance.load import load
from tests.acceptance.test_shutdown import PEOPLE, TOPICS
from tests.docs import pages
from tests.hosts.projects import host_project

pytestmark = pytest.mark.timeout(300)

PAGE = "howto/pgbouncer.md"
[SETTINGS] = [each.text for each in pages.read(PAGE).blocks if each.kind == "python"]
CONFIGURATION = pages.files_of(PAGE)["pgbouncer.ini"]

#: Connections to PostgreSQL: so few that neighbouring transactions are on different ones.
CONNECTIONS = 3


async def test_transaction_mode(tmp_path: Path) -> None:
    """Migrations, checks, commands, and a server under load work; nothing is lost."""
    with services.postgres() as postgres, _pgbouncer(postgres) as url:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '8s'")
        with host_project(tmp_path, settings=SETTINGS, migrate=False) as project:
            site = replace(project, environment={**project.environment, "DATABASE_URL": url})
            site.run("manage.py", "migrate", "--verbosity", "0")
            site.run("manage.py", "check", "--database", "default", "--fail-level", "ERROR")
            keys = site.prepare(TOPICS, PEOPLE)
            site.run("manage.py", "dasf_housekeeping")
            with site.server() as server:
                async with load([server], keys, publishers=8) as busy:
                    await busy.until_more_is_answered(300)
                    busy.end()
                    await busy.check(site)
        with psycopg.connect(postgres) as connection:
            rows = connection.execute("SELECT count(*) FROM dasf_broker_brokermessage").fetchone()
        assert rows is not None
        assert rows[0] >= 300


def test_options_of_a_connection() -> None:
    """Pgbouncer refuses the time-out that the other guide sets, as the page says."""
    with (
        services.postgres() as postgres,
        _pgbouncer(postgres) as url,
        pytest.raises(psycopg.OperationalError, match="startup parameter"),
    ):
        psycopg.connect(url, options="-c statement_timeout=8000")


@contextmanager
def _pgbouncer(postgres: str) -> Iterator[str]:
    """Run pgbouncer with the configuration of the page; yield the URL of its database."""
    sockets = unquote(urlsplit(postgres).hostname or "")
    owner, port = Path(sockets).stat().st_uid, services.free_port()
    with tempfile.TemporaryDirectory(prefix="dasf-pgbouncer-") as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(_configuration(postgres, sockets, port))
        if os.getuid() == 0:  # it does not run as root
            os.chown(folder, owner, -1)
        process = subprocess.Popen(
            [_program(), folder / "pgbouncer.ini"],
            cwd=folder,
            user=owner if os.getuid() == 0 else None,
            stderr=subprocess.DEVNULL,
        )
        try:
            services.wait_for_port(port)
            yield f"postgres://{urlsplit(postgres).username}@127.0.0.1:{port}/mysite"
        finally:
            process.terminate()
            process.wait(30)


def _configuration(postgres: str, sockets: str, port: int) -> str:
    """Return the configuration of the page for a server that trusts its machine."""
    parts = urlsplit(postgres)
    database = f"host={sockets} dbname={parts.path[1:]} user={parts.username}"
    text = re.sub(r"(?<=^mysite = ).*$", database, CONFIGURATION, flags=re.MULTILINE)
    for before, after in {
        "listen_port = 6432": f"listen_port = {port}",
        "auth_type = scram-sha-256\nauth_file = userlist.txt\n": "auth_type = any\n",
        "default_pool_size = 20": f"default_pool_size = {CONNECTIONS}",
    }.items():
        assert before in text
        text = text.replace(before, after)
    return text + "unix_socket_dir =\n"


def _program() -> str:
    folders = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if (found := shutil.which("pgbouncer", path=folders)) is None and os.getuid() == 0:
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "pgbouncer"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = shutil.which("pgbouncer", path=folders)
    assert found, "This test needs pgbouncer: install the package of the same name."
    return found
