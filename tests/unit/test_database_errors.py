"""Each error code of both databases is decided, once."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import psycopg.errors
import pytest
from django.db import DatabaseError, InternalError, OperationalError, ProgrammingError
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker import db_connections
from dasf_broker.domain.database_errors import (
    SQLITE_NAMES,
    SQLSTATE_CLASSES,
    SQLSTATES,
    Outcome,
    outcome_of,
)

#: All that psycopg knows of, which it takes from PostgreSQL's sources.
KNOWN = sorted({each for each in psycopg.errors._sqlcodes if len(each) == 5})

#: The classes of faults of ours: wrong statements, values and transactions, and errors that only
#: functions, triggers or foreign tables of the host raise.
OURS = {
    *("02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24"),
    *("25", "27", "2B", "2D", "2F", "38", "39", "3B", "42", "44", "54", "HV", "P0"),
}

#: The names of SQLite for faults of ours.
OUR_NAMES = {
    *("ABORT", "AUTH", "CONSTRAINT", "EMPTY", "ERROR", "FORMAT", "INTERNAL", "MISMATCH"),
    *("MISUSE", "NOTFOUND", "NOTICE", "RANGE", "TOOBIG", "WARNING"),
}

CLASSES = sorted({each[:2] for each in KNOWN})


class Cause(Exception):  # noqa: N818 - it stands for errors of several drivers
    """An error as a database driver has it."""

    def __init__(self, text: str = "", **fields: Any) -> None:
        super().__init__(text)
        self.__dict__.update(fields)


@pytest.mark.parametrize("prefix", CLASSES)
def test_each_class_is_decided_once(prefix: str) -> None:
    """As one of ours, or as one in the table; a new one has to be decided."""
    assert (prefix in SQLSTATE_CLASSES) != (prefix in OURS)


def test_there_is_nothing_else_in_the_table() -> None:
    """All codes in it are known, and differ from their class: otherwise they say nothing."""
    assert set(SQLSTATE_CLASSES) | OURS == set(CLASSES)
    # The last one is PostgreSQL 17's, which psycopg may not know yet.
    assert set(SQLSTATES) - {"25P04"} <= set(KNOWN)
    for state, outcome in SQLSTATES.items():
        assert outcome is not SQLSTATE_CLASSES.get(state[:2], Outcome.FAULT), state


@pytest.mark.parametrize("kind", [OperationalError, InternalError, ProgrammingError, DatabaseError])
@given(state=st.sampled_from(KNOWN))
def test_the_code_decides(kind: type[Exception], state: str) -> None:
    """Whichever class of Django's it comes as: 25006 comes as an internal error."""
    error = kind("...")
    error.__cause__ = psycopg.errors.lookup(state)("...")
    expected = SQLSTATES.get(state) or SQLSTATE_CLASSES.get(state[:2], Outcome.FAULT)
    assert db_connections.outcome(error) is expected


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5))
def test_codes_that_nobody_knows(state: str) -> None:
    """They are decided by their class, and else a fault of ours."""
    outcome = outcome_of(Cause(sqlstate=state))
    assert outcome is (SQLSTATES.get(state) or SQLSTATE_CLASSES.get(state[:2], Outcome.FAULT))


def test_a_server_that_crashes() -> None:
    """Whatever its last words are, a commit may be on disk."""
    details = SimpleNamespace(severity_nonlocalized="PANIC", source_function="XLogWrite")
    assert outcome_of(Cause(sqlstate="53100", diag=details)) is Outcome.PERHAPS_DONE


def test_a_plan_that_is_out_of_date() -> None:
    """A migration changed the table of a prepared statement: not the wrong statement it looks."""
    details = SimpleNamespace(
        severity_nonlocalized="ERROR", source_function="RevalidateCachedQuery"
    )
    assert outcome_of(Cause(sqlstate="0A000", diag=details)) is Outcome.NOT_DONE
    assert outcome_of(Cause(sqlstate="0A000")) is Outcome.FAULT


def _sqlite_names() -> list[str]:
    """Return SQLite's names of errors: the primary ones, and those that begin with one."""
    primary = {f"SQLITE_{each}" for each in OUR_NAMES} | set(SQLITE_NAMES)
    errors = {
        name
        for name in dir(sqlite3)
        if any(name == each or name.startswith(f"{each}_") for each in primary)
        and name != "SQLITE_READ"
    }
    return sorted(errors)


@pytest.mark.parametrize("name", _sqlite_names())
def test_names_of_sqlite(name: str) -> None:
    """Extended names are decided as the primary one, unless the table has them."""
    primary = "_".join(name.split("_")[:2])
    is_ours = primary.removeprefix("SQLITE_") in OUR_NAMES
    expected = Outcome.FAULT if is_ours else SQLITE_NAMES.get(name, SQLITE_NAMES[primary])
    assert outcome_of(Cause(sqlite_errorname=name)) is expected


def test_all_primary_codes_of_sqlite_are_decided() -> None:
    """Its numbers 1 to 28 are the primary codes of errors."""
    skipped = {"SQLITE_LIMIT", "SQLITE_TRACE"}  # those of other lists
    decided = {f"SQLITE_{each}" for each in OUR_NAMES} | set(SQLITE_NAMES)
    numbers = {getattr(sqlite3, each) for each in decided - skipped if hasattr(sqlite3, each)}
    assert {*range(1, 29)} <= numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no such table: dasf_broker_brokertopic", Outcome.NOT_DONE),
        ("no such column: dasf_broker_brokertopic.size", Outcome.NOT_DONE),
        ("table dasf_broker_brokermessage has no column named size", Outcome.NOT_DONE),
        ('near "SELCT": syntax error', Outcome.FAULT),
    ],
)
def test_a_database_that_is_not_migrated(text: str, expected: Outcome) -> None:
    """It will be in a moment; a wrong statement stays wrong."""
    assert outcome_of(Cause(text, sqlite_errorname="SQLITE_ERROR")) is expected


def test_no_code() -> None:
    """Then the kind of error has to do."""
    assert outcome_of(None) is None
    assert db_connections.outcome(OperationalError("gone")) is Outcome.PERHAPS_DONE
    assert db_connections.outcome(ProgrammingError("wrong")) is Outcome.FAULT
    assert db_connections.outcome(ValueError("wrong")) is Outcome.FAULT
