"""The pytest plugin that decides on what the suite runs, before Django is set up.

``--backend=sqlite`` takes SQLite and the in-memory channel layer, ``--backend=postgres`` a
PostgreSQL and a Redis server that it starts itself. A service that does not start fails the run.
``--alias=other`` puts all tables under another alias than ``default``, by a router.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from tests import services

BACKENDS = ("sqlite", "postgres")
SETTINGS = {"default": "testproject.settings", "other": "tests.other_alias"}
_running = ExitStack()

# Helpers check what they get with `assert`, which Python leaves out under `PYTHONOPTIMIZE`.
pytest.register_assert_rewrite(
    *(f"tests.{name}" for name in ("acceptance", "doors", "endurance", "operations", "security"))
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choices of backend and alias."""
    parser.addoption("--backend", choices=BACKENDS, default="sqlite", help="What the tests run on.")
    parser.addoption(
        "--alias", choices=[*SETTINGS], default="default", help="Where Django finds the tables."
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the services and tell Django's settings about them."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)  # never the developer's own
    folder = tempfile.TemporaryDirectory(prefix="dasf-tests-", dir=_quick_disk())
    var = _running.enter_context(folder)
    os.environ["DASF_VAR"] = var
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS[early_config.known_args_namespace.alias]
    # With several processes the workers run the tests, each on services of its own.
    is_overseer = getattr(early_config.known_args_namespace, "numprocesses", None)
    if early_config.known_args_namespace.backend == "postgres" and not is_overseer:
        os.environ["DATABASE_URL"] = _running.enter_context(services.postgres())
        os.environ["REDIS_URL"] = _running.enter_context(services.redis())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let tests that say nothing of databases use the one with the tables."""
    for mark in item.iter_markers("django_db"):
        cast("dict[str, Any]", mark.kwargs).setdefault(
            "databases", [item.config.getoption("alias")]
        )


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays: it would look through all tests."""
    gc.collect()
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> str:
    """Say on what the suite runs."""
    return f"backend: {config.getoption('backend')}"


def pytest_unconfigure() -> None:
    """Stop the services."""
    _running.close()


def _quick_disk() -> Path | None:
    """Return a disk in memory, on which SQLite waits for nothing, if there is one with room."""
    memory = Path("/dev/shm")  # noqa: S108 - no name of ours is guessed there
    is_large = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    return memory if is_large else None
