"""What an error of a database means for its caller: the one table of codes.

PostgreSQL names errors by SQLSTATE: five characters, of which the first two are the class. SQLite
has names. A code that the table has is decided by itself, all others by their class; what is in
neither is a fault of ours.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of the work in which an error occurred."""

    #: Nothing was changed, and the reason lies with the database or its operator: try again later.
    NOT_DONE = "not done"
    #: The answer was lost: it may or may not have been committed. Try again later.
    PERHAPS_DONE = "perhaps done"
    #: Nothing was changed, because another transaction came in between: try again at once.
    CONFLICT = "conflict"
    #: The statement is wrong, and will be so the next time: a fault of ours.
    FAULT = "fault"


#: See https://www.postgresql.org/docs/current/errcodes-appendix.html.
SQLSTATE_CLASSES = {
    "08": Outcome.PERHAPS_DONE,  # the connection broke; pgbouncer says all that it says so
    "26": Outcome.NOT_DONE,  # a prepared statement is another session's: a pooler in between
    "28": Outcome.NOT_DONE,  # wrong credentials
    "34": Outcome.NOT_DONE,  # a cursor is another session's: a pooler in between
    "3D": Outcome.NOT_DONE,  # there is no such database
    "3F": Outcome.NOT_DONE,  # there is no such schema
    "40": Outcome.CONFLICT,  # serialization failures and deadlocks
    "53": Outcome.NOT_DONE,  # disk, memory or connections are used up
    "55": Outcome.NOT_DONE,  # locked, in use, or not in the right state
    "57": Outcome.PERHAPS_DONE,  # an operator stops the server, or it crashes
    "58": Outcome.PERHAPS_DONE,  # input and output, also that of a commit
    "72": Outcome.NOT_DONE,  # the snapshot is too old
    "F0": Outcome.NOT_DONE,  # the server's configuration is wrong
    "XX": Outcome.NOT_DONE,  # the server has a fault, or its data are damaged
}

#: Those that are not decided as their class is.
SQLSTATES = {
    "08001": Outcome.NOT_DONE,  # there was no connection
    "08004": Outcome.NOT_DONE,  # the server refused the connection
    "0P000": Outcome.NOT_DONE,  # there is no such role
    "25006": Outcome.NOT_DONE,  # read-only: a standby, or a setting of server, role or session
    "25P03": Outcome.NOT_DONE,  # the session was ended while its transaction did nothing
    "25P04": Outcome.NOT_DONE,  # the transaction took too long
    "40003": Outcome.PERHAPS_DONE,  # it is not known whether a statement was completed
    "42501": Outcome.NOT_DONE,  # a right was taken from our role
    "42703": Outcome.NOT_DONE,  # a column is missing: not migrated (yet)
    "42P01": Outcome.NOT_DONE,  # a table is missing: not migrated (yet)
    "42P05": Outcome.NOT_DONE,  # a prepared statement is there already: a pooler in between
    "55P04": Outcome.FAULT,  # a new value of an enumeration is used too early
    "57014": Outcome.NOT_DONE,  # canceled: the statement's time was over
    "57P03": Outcome.NOT_DONE,  # the server starts, stops or recovers, and takes no connection
    "57P05": Outcome.NOT_DONE,  # the session was ended while it did nothing
    "HV00N": Outcome.NOT_DONE,  # a foreign server takes no connection
}

#: See https://www.sqlite.org/rescode.html. Extended names begin with one of these.
SQLITE_NAMES = {
    "SQLITE_BUSY": Outcome.NOT_DONE,
    "SQLITE_BUSY_SNAPSHOT": Outcome.CONFLICT,  # another one wrote since our transaction read
    "SQLITE_CANTOPEN": Outcome.NOT_DONE,
    "SQLITE_CORRUPT": Outcome.NOT_DONE,
    "SQLITE_FULL": Outcome.NOT_DONE,
    "SQLITE_INTERRUPT": Outcome.NOT_DONE,
    "SQLITE_IOERR": Outcome.PERHAPS_DONE,
    "SQLITE_LOCKED": Outcome.NOT_DONE,
    "SQLITE_NOLFS": Outcome.NOT_DONE,
    "SQLITE_NOMEM": Outcome.NOT_DONE,
    "SQLITE_NOTADB": Outcome.NOT_DONE,
    "SQLITE_PERM": Outcome.NOT_DONE,
    "SQLITE_PROTOCOL": Outcome.NOT_DONE,
    "SQLITE_READONLY": Outcome.NOT_DONE,
    "SQLITE_SCHEMA": Outcome.NOT_DONE,
}

#: What SQLite, which names such errors like wrong syntax, says of a database without our tables.
_NOT_MIGRATED = ("no such table", "no such column", "has no column named")

#: Errors of psycopg and its pool of calls that never had a connection.
_NOT_CONNECTED = {"PoolTimeout", "PoolClosed", "TooManyRequests", "ConnectionTimeout"}

#: Those after which the session is as good as before: a statement waited or worked too long.
_OF_STATEMENTS = {"55P03", "57014"}

#: PostgreSQL's function that finds out that a prepared statement no longer fits its table.
_STALE_PLAN = "RevalidateCachedQuery"


def outcome_of(cause: BaseException | None) -> Outcome | None:
    """Tell what an error of a database driver means; ``None`` if it has no code.

    Parameters
    ----------
    cause
        The error of ``psycopg`` or ``sqlite3``.
    """
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return _of_sqlite(name, str(cause))
    if (state := getattr(cause, "sqlstate", None)) is not None:
        return _of_postgresql(state, getattr(cause, "diag", None))
    if type(cause).__name__ in _NOT_CONNECTED or "connection failed" in str(cause):
        return Outcome.NOT_DONE
    return None


def is_of_session(cause: BaseException | None) -> bool:
    """Tell whether the session, and not only the statement, may be the reason of an error."""
    return getattr(cause, "sqlstate", None) not in _OF_STATEMENTS


def is_read_only(cause: BaseException | None) -> bool:
    """Tell whether an error says that the database may be read, but not written."""
    name = getattr(cause, "sqlite_errorname", None) or ""
    return getattr(cause, "sqlstate", None) == "25006" or name.startswith("SQLITE_READONLY")


def _of_sqlite(name: str, text: str) -> Outcome:
    if name == "SQLITE_ERROR" and any(each in text for each in _NOT_MIGRATED):
        return Outcome.NOT_DONE
    primary = "_".join(name.split("_")[:2])
    return SQLITE_NAMES.get(name) or SQLITE_NAMES.get(primary, Outcome.FAULT)


def _of_postgresql(state: str, details: object) -> Outcome:
    # It crashes, perhaps between writing a commit and answering it: whatever the code is.
    if getattr(details, "severity_nonlocalized", None) == "PANIC":
        return Outcome.PERHAPS_DONE
    if getattr(details, "source_function", None) == _STALE_PLAN:
        return Outcome.NOT_DONE
    return SQLSTATES.get(state) or SQLSTATE_CLASSES.get(state[:2], Outcome.FAULT)
