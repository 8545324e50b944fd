"""Host projects, as ``startproject`` makes them, with the broker put in as the tutorial says."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.core.management import call_command

from tests import services
from tests.acceptance.servers import ROOT, Site

#: What the tests themselves run on must not be seen by a host.
_OURS = ("DASF_", "DATABASE_URL", "DJANGO_", "PYTEST", "REDIS_URL")

_SETTINGS = """
import os
import dj_database_url

ALLOWED_HOSTS = ["*"]
INSTALLED_APPS += ["guardian", "dasf_broker"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if url := os.environ.get("HOST_REDIS_URL"):
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": url, "socket_timeout": None}]},
    }
DATABASES["default"]["OPTIONS"] = {
    "timeout": 8,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
if url := os.environ.get("HOST_DATABASE_URL"):
    DATABASES["default"] = dj_database_url.parse(url)
"""

_URLS = """
from django.urls import include

urlpatterns += [path("", include("dasf_broker.urls"))]
"""

_ASGI = """
import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from dasf_broker.routing import broker_application

application = broker_application(ASGIStaticFilesHandler(django_application))
"""


@dataclass(frozen=True, slots=True)
class Services:
    """What a project runs on: URLs of servers; without them SQLite and a layer in memory."""

    database: str | None = None
    redis: str | None = None


SQLITE = Services()


@contextmanager
def host_project(
    folder: Path,
    on: Services = SQLITE,
    *,
    settings: str = "",
    files: Mapping[str, str] | None = None,
    migrate: bool = True,
) -> Iterator[Site]:
    """Make the project of a host, with a database of its own.

    ``site.run("manage.py", ...)`` runs a command of the project, ``site.server()`` serves it, and
    ``site.prepare(topics, people)`` creates topics, accounts and keys.

    Parameters
    ----------
    folder
        An empty folder; the project is called ``mysite``.
    on
        What it runs on; a database is created on the server.
    settings
        Python code at the end of ``mysite/settings.py``.
    files
        Further files, or other texts for those of the project, by their paths in the folder.
    migrate
        Whether to create the tables.
    """
    call_command("startproject", "mysite", str(folder))
    _append(folder / "mysite/settings.py", _SETTINGS + settings)
    _append(folder / "mysite/urls.py", _URLS)
    (folder / "mysite/asgi.py").write_text(_ASGI)
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": f"{ROOT}:{folder}"}
    with ExitStack() as stack:
        if on.database is not None:
            own["HOST_DATABASE_URL"] = stack.enter_context(_empty_database(on.database))
        if on.redis is not None:
            own["HOST_REDIS_URL"] = on.redis
        site = Site(folder, {**inherited, **own}, folder, "mysite.asgi:application")
        if migrate:
            site.run("manage.py", "migrate", "--verbosity", "0")
        yield site


@contextmanager
def services_of_backend(backend: str) -> Iterator[Services]:
    """Run what a backend needs.

    Parameters
    ----------
    backend
        ``sqlite`` or ``postgres``; the second includes Redis.
    """
    with ExitStack() as stack:
        if backend == "sqlite":
            yield SQLITE
        else:
            database = stack.enter_context(services.postgres())
            yield Services(database, stack.enter_context(services.redis()))


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@contextmanager
def _empty_database(server: str) -> Iterator[str]:
    base, _, _ = server.rpartition("/")
    name = f"host_{secrets.token_hex(4)}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        yield f"{base}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
