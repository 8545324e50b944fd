"""Empty the tables after each transactional test, and keep what migrations put there.

Django's own way is the command ``flush``, which makes content types, permissions and guardian's
anonymous user anew each time: that took most of the time of all tests. Here those rows stay, and
become what they were should a test have changed them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

#: The rows of each table, empty tables too.
Contents = Mapping[str, list[tuple[Any, ...]]]


@contextmanager
def quick_emptying(initial: Mapping[str, Contents]) -> Iterator[None]:
    """Let each transactional test leave what was in the databases, by alias, at first."""

    def teardown(case: TransactionTestCase) -> None:
        for alias in case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
            restore(alias, initial[alias])

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield


def contents(alias: str) -> Contents:
    """Return what is in the tables of all models."""
    tables = connections[alias].introspection.django_table_names(
        only_existing=True, include_views=False
    )
    with connections[alias].cursor() as cursor:
        return {table: _rows(cursor, table) for table in tables}


def restore(alias: str, initial: Contents) -> None:
    """Remove what was added to the tables, and put back what was changed or removed.

    By DELETE on PostgreSQL too: with a few rows it is twenty times as quick as TRUNCATE.
    """
    connection = connections[alias]
    # Foreign keys are checked at the end, so the order of tables does not matter.
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        _wait_for_writers(connection, cursor, initial)
        for table, rows in initial.items():
            if not rows or rows != _rows(cursor, table):
                cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own tables
                _insert(cursor, table, rows)
    ContentType.objects.clear_cache()


def _wait_for_writers(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, initial: Contents
) -> None:
    """Let no other connection add rows behind our back; SQLite has one writer at a time anyway."""
    if connection.vendor == "postgresql":
        tables = ", ".join(f'"{table}"' for table in initial)
        cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")


def _rows(cursor: CursorWrapper, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')  # noqa: S608
    return [*cursor.fetchall()]


def _insert(cursor: CursorWrapper, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        values = ", ".join(["%s"] * len(rows[0]))
        cursor.executemany(f'INSERT INTO "{table}" VALUES ({values})', rows)  # noqa: S608
