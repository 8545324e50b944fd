"""The database that holds the broker's tables, as the routers of the host say.

The tables may have an alias of their own, and a host may read from replicas, which lag behind. The
broker decides by what it reads: so it reads its tables where they are written, and while it works
it reads all else (users, groups, sessions) where that is written. A queryset with ``using`` is
still read where it says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

#: The label of the broker's tables.
APP = "dasf_broker"


def alias() -> str:
    """Return the alias of the database that holds the broker's tables."""
    install()
    return router.db_for_write(apps.get_model(APP, "BrokerTopic"))


def connection() -> BaseDatabaseWrapper:
    """Return the connection of this thread to that database."""
    return connections[alias()]


@contextmanager
def atomic() -> Iterator[None]:
    """Run a block, or a function, in a transaction of that database; all it reads is up to date."""
    with transaction.atomic(using=alias()), reads():
        yield


def on_commit(function: Callable[[], object]) -> None:
    """Call a function when the current transaction of that database is committed.

    An error in it is logged, and fails nobody else.
    """
    transaction.on_commit(function, using=alias(), robust=True)


@contextmanager
def reads() -> Iterator[None]:
    """Read all tables where they are written, as long as a block, or a function, runs."""
    install()
    _work.depth += 1
    try:
        yield
    finally:
        _work.depth -= 1


def install() -> None:
    """Ask the broker's router before those of the host. Tests that set other routers remove it."""
    if not router.routers or router.routers[0] is not _router:
        router.routers.insert(0, _router)


class _Router:
    """Says where to read, and leaves all else to the routers of the host."""

    def db_for_read(self, model: type[models.Model], **_: Any) -> str | None:
        # Without the hints of Django: an object that came from a replica would lead back to it.
        if model._meta.app_label == APP:
            return alias()
        return router.db_for_write(model) if _work.depth else None


class _Work(threading.local):
    """How many blocks of :func:`reads` this thread is in."""

    depth = 0


_work = _Work()
_router = _Router()
