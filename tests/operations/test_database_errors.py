"""Errors that the database itself answers with, and what callers are told of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg.errors
import pytest
from django.contrib.auth.models import User
from django.db import Error, OperationalError, connection, connections

from dasf_broker import database, db_connections, primary
from dasf_broker.db_connections import ATTEMPTS, retried
from dasf_broker.domain.database_errors import Outcome
from dasf_broker.domain.publishing import PublishStatus
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import current
from tests.operations.streams import publication

pytestmark = pytest.mark.django_db(transaction=True)

IS_POSTGRESQL = connection.vendor == "postgresql"

#: A session in which nothing can be written any more.
READ_ONLY = "SET default_transaction_read_only = on" if IS_POSTGRESQL else "PRAGMA query_only = ON"


def execute(statement: str) -> None:
    """Execute a statement in this thread."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


async def test_a_session_that_is_read_only(topic: BrokerTopic, producer: User) -> None:
    """Callers may try again, and find another session: the first one will never be writable."""
    await database.write(execute, READ_ONLY)
    with pytest.raises(UnavailableError, match="Nothing was changed") as refused:
        await current().writer.publish_one(publication(producer))
    assert refused.value.log_id
    published = await current().writer.publish_one(publication(producer))
    assert (published.status, published.message.sequence) == (PublishStatus.STORED, 1)


async def test_a_wrong_statement(topic: BrokerTopic) -> None:
    """It is a fault of ours, and no outage: on SQLite it comes as an operational error."""
    with pytest.raises(Error) as failed:
        await database.write(execute, "SELCT 1")
    assert db_connections.outcome(failed.value) is Outcome.FAULT


async def test_a_missing_table(topic: BrokerTopic) -> None:
    """The database is about to be migrated."""
    with pytest.raises(UnavailableError, match="Nothing was changed"):
        await database.write(execute, "SELECT 1 FROM dasf_broker_nothing")


if IS_POSTGRESQL:  # SQLite cannot be told to raise its errors

    async def test_all_errors_of_postgresql(topic: BrokerTopic) -> None:
        """Each as the server raises it, through the driver, Django and the writing thread."""
        states = sorted(each for each in psycopg.errors._sqlcodes if len(each) == 5)
        told = {state: await _told_of(state) for state in states}
        texts = {
            Outcome.NOT_DONE: "Nothing was changed",
            Outcome.CONFLICT: "Nothing was changed",
            Outcome.PERHAPS_DONE: "may or may not",
            Outcome.FAULT: "a fault",
        }
        assert told == {state: texts[db_connections.outcome(_in_django(state))] for state in states}


async def _told_of(state: str) -> str:
    try:
        await database.write(_raise_in_server, state)
    except UnavailableError as error:
        told = str(error)
        return next(each for each in ("Nothing was changed", "may or may not") if each in told)
    except Error:
        return "a fault"
    return "nothing"


def _in_django(state: str) -> Error:
    error = Error()
    error.__cause__ = psycopg.errors.lookup(state)()
    return error


def _raise_in_server(state: str) -> None:
    execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")


# --- the log ----------------------------------------------------------------------------------

#: Settings that are wrong, and what the log has to say of each.
WRONG = (
    [
        ({"USER": "nobody"}, 'role "nobody" does not exist'),
        ({"NAME": "nothing"}, 'database "nothing" does not exist'),
        ({"HOST": "127.0.0.1", "PORT": "1"}, "port 1 failed: Connection refused"),
        ({"HOST": "nowhere.invalid"}, "nowhere.invalid"),
    ]
    if IS_POSTGRESQL
    else [
        ({"NAME": "/nowhere/db.sqlite3"}, "SQLITE_CANTOPEN: unable to open database file"),
        ({"NAME": __file__}, "SQLITE_NOTADB: file is not a database"),
    ]
)


@pytest.mark.parametrize(("wrong", "cause"), WRONG)
async def test_the_log_has_the_cause(
    wrong: dict[str, str], cause: str, db: None, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line at the beginning, however many ask; and there is one at the end."""
    for _ in range(3):
        with pytest.raises(UnavailableError) as refused:
            await database.read(_connect, **wrong)
        assert str(refused.value.log_id) in caplog.messages[0]
    await database.read(int)
    begin, end = caplog.messages
    assert begin.startswith("The database failed while reading (log id ")
    assert cause in begin
    assert "\n" not in begin
    assert end.startswith("The database works again, after ")


def _connect(**wrong: str) -> None:
    """Open a connection with other settings than the project's."""
    opening = connections.create_connection(primary.alias())
    options = {"connect_timeout": 5} if IS_POSTGRESQL else {}
    opening.settings_dict = {**opening.settings_dict, **wrong, "OPTIONS": options}
    try:
        with opening.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SELECT * FROM django_migrations")
    finally:
        opening.close()


#: What two transactions cannot do at once.
_LOCKING = (
    "LOCK TABLE dasf_broker_lease" if IS_POSTGRESQL else "UPDATE dasf_broker_lease SET holder = ''"
)


async def test_the_log_says_that_it_is_locked(db: None, caplog: pytest.LogCaptureFixture) -> None:
    """By somebody who forgot to commit."""
    waits = "SET lock_timeout = 100" if IS_POSTGRESQL else "PRAGMA busy_timeout = 100"
    await database.write(execute, waits)
    with ThreadPoolExecutor(1) as pool:  # a thread of another program's, as it were
        pool.submit(execute, "BEGIN IMMEDIATE" if not IS_POSTGRESQL else "BEGIN").result()
        pool.submit(execute, _LOCKING).result()
        with pytest.raises(UnavailableError, match="Nothing was changed") as refused:
            await database.write(primary.atomic()(execute), _LOCKING)
        pool.submit(execute, "ROLLBACK").result()
        pool.submit(connections.close_all).result()
    [line] = caplog.messages
    assert str(refused.value.log_id) in line
    assert ("55P03" if IS_POSTGRESQL else "SQLITE_BUSY: database is locked") in line
    await database.write(execute, "DELETE FROM dasf_broker_lease")
    await database.write(connections.close_all)
    assert len(caplog.messages) == 2


# --- conflicts --------------------------------------------------------------------------------


class _BusySnapshotError(Exception):
    sqlite_errorname = "SQLITE_BUSY_SNAPSHOT"


def _come_in_between() -> None:
    """Fail as if another transaction had come in between."""
    if IS_POSTGRESQL:
        _raise_in_server("40001")
    raise OperationalError from _BusySnapshotError()


def _insert_with_conflicts(count: int) -> list[int]:
    """Return a transaction that fails so many times, and the list of its attempts."""
    attempts: list[int] = []

    @retried
    def insert() -> None:
        with primary.atomic():
            BrokerTopic.objects.create(slug="new")
            attempts.append(len(attempts))
            if len(attempts) <= count:
                _come_in_between()

    try:
        insert()
    finally:
        attempts.append(BrokerTopic.objects.filter(slug="new").count())
    return attempts


@pytest.mark.parametrize("count", range(ATTEMPTS))
def test_the_whole_transaction_is_tried_again(count: int, db: None) -> None:
    """Until it comes through: what was undone is not there twice."""
    assert _insert_with_conflicts(count) == [*range(count + 1), 1]


def test_not_without_end(db: None) -> None:
    """After some attempts the caller is told; nothing is left behind."""
    with pytest.raises(OperationalError):
        _insert_with_conflicts(ATTEMPTS)
    assert not BrokerTopic.objects.exists()


def test_not_in_a_transaction_of_the_caller(db: None) -> None:
    """It cannot be repeated from here: its beginning is lost as well."""
    with pytest.raises(OperationalError), primary.atomic():
        _insert_with_conflicts(1)


async def test_reads_are_tried_again(db: None) -> None:
    """They change nothing, so all of them are."""
    attempts: list[int] = []

    def read() -> str:
        attempts.append(1)
        if len(attempts) < ATTEMPTS:
            _come_in_between()
        return "read"

    assert await database.read(read) == "read"
