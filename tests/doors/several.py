"""What is tried at several doors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def doors_of_this_backend(doors: Iterable[T]) -> list[T]:
    """Return all doors on SQLite, and the first on PostgreSQL: they differ above the database."""
    every = [*doors]
    return every if connection.vendor == "sqlite" else every[:1]
