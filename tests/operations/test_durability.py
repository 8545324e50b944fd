"""The system check that asks the database itself whether an answer outlives a crash."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from dasf_broker.checks.settings import check_durability

#: What the session is told, and what it must be told by the check then.
CASES: list[tuple[str, list[str]]] = (
    [
        ("SET synchronous_commit = on", []),
        ("SET synchronous_commit = local", []),
        ("SET synchronous_commit = off", ["dasf_broker.E005"]),
    ]
    if connection.vendor == "postgresql"
    else [
        ("PRAGMA synchronous = EXTRA", []),
        ("PRAGMA synchronous = FULL", []),
        ("PRAGMA synchronous = NORMAL", ["dasf_broker.W003"]),
        ("PRAGMA synchronous = OFF", ["dasf_broker.E005"]),
    ]
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("statement", "expected"), CASES)
def test_the_database_is_asked(statement: str, expected: list[str]) -> None:
    """A level that its configuration sets, and not Django's settings, is found too."""
    # The server of the tests runs without fsync, and says so in all cases.
    without = ["dasf_broker.W003"] if connection.vendor == "postgresql" else []
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        assert ids(check_durability(databases=[connection.alias])) == expected + without
    finally:
        connection.close()


def test_a_database_that_is_down_is_not_this_checks_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever needs it will say so."""

    def fail() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(connection, "cursor", fail)
    assert check_durability(databases=[connection.alias]) == []


def ids(messages: Any) -> list[str]:
    """Return the ids of what was told."""
    return [message.id for message in messages]
