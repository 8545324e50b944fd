"""Settings of the test project.

Without any environment variable it runs on SQLite, with an in-memory channel layer, in one
process. ``DATABASE_URL`` and ``REDIS_URL`` make it ready for several. A variable that cannot be
used is refused: see ``environment.py``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from testproject import environment

VAR = environment.folder("DASF_VAR", Path(__file__).parent / "var")

DEBUG = environment.yes_or_no("DEBUG", default=True)
SECRET_KEY = environment.text("SECRET_KEY", "only for the demo and the tests" if DEBUG else "")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", "*" if DEBUG else "")
ROOT_URLCONF = "testproject.urls"
ASGI_APPLICATION = "testproject.asgi.application"


def _if_installed(package: str, *apps: str) -> list[str]:
    """Return the apps of a package that `make demo` does without."""
    return list(apps) if find_spec(package) else []


INSTALLED_APPS = [
    *_if_installed("daphne", "daphne"),  # before staticfiles, so that `runserver` serves websockets
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    *_if_installed("rest_framework", "rest_framework", "rest_framework.authtoken"),
    "dasf_broker",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]

_SQLITE_OPTIONS = {
    "timeout": 8,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
_POSTGRESQL_OPTIONS = {
    # Who gave up soon tries again soon: by default the pool waits twice as long each time.
    "pool": {"min_size": 1, "max_size": 10, "timeout": 8, "reconnect_timeout": 2},
    "options": "-c statement_timeout=8000",
    # The server cannot tell a client that it is gone: notice it from here.
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR / "db.sqlite3",
        "OPTIONS": _SQLITE_OPTIONS,
        "TEST": {"NAME": VAR / "test.sqlite3"},
    }
}
if database := environment.database(
    "DATABASE_URL", sqlite=_SQLITE_OPTIONS, postgresql=_POSTGRESQL_OPTIONS
):
    # After a restart of PostgreSQL the pool is full of dead connections.
    DATABASES["default"] = database | {"CONN_HEALTH_CHECKS": True}

CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if url := environment.redis("REDIS_URL"):
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py gives up after 5 s of silence by default, which is no error here.
            "hosts": [{"address": url, "socket_timeout": None}],
            "capacity": environment.number("REDIS_CAPACITY", 1000),
        },
    }

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "timed": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "timed"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
