"""What clients are told of errors, in all protocols."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import psycopg.errors
import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError

from dasf_broker import answers, database, exceptions
from dasf_broker.answers import answer_to
from dasf_broker.concurrency.outage_log import RepeatLog
from dasf_broker.exceptions import BadInputError, BrokerError
from dasf_broker.transports.connection.close_codes import CloseCode

#: The HTTP status and the close code of each error that has its own.
CODES = {
    "BAD_INPUT": (400, 4400),
    "UNAUTHENTICATED": (401, 4401),
    "FORBIDDEN": (403, 4403),
    "NOT_FOUND": (404, 4400),
    "PAYLOAD_TOO_LARGE": (413, 1009),
    "RATE_LIMITED": (429, 1013),
    "UNAVAILABLE": (503, 1013),
}

KINDS: list[type[Any]] = [
    kind for kind in BrokerError.__subclasses__() if kind is not exceptions.UnavailableError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_of_the_broker(kind: type[Any], caplog: pytest.LogCaptureFixture) -> None:
    """They keep their text, code and details, and the log does not hear of them."""
    error = kind("the text")
    answer = answer_to(error)
    assert (answer.message, answer.extensions) == ("the text", error.extensions)
    assert (answer.status, answer.close_code) == CODES.get(kind.code, (400, 4400))
    assert answer.close_code in list(CloseCode)
    assert not caplog.records


@pytest.mark.parametrize("kind", [exceptions.UnavailableError, BrokerError])
def test_errors_that_concern_the_operator(
    kind: type[BrokerError], caplog: pytest.LogCaptureFixture
) -> None:
    """Each UNAVAILABLE and INTERNAL has a log id, and the log has the line that it names."""
    answer = answer_to(kind("the text"))
    [record] = caplog.records
    assert answer.extensions == {"code": kind.code, "logId": answer.extensions["logId"]}
    assert answer.extensions["logId"] in record.getMessage()
    assert answer.message == "the text"
    assert answer.text == f"the text (log id {answer.extensions['logId']})"


def test_where_there_is_a_text_only() -> None:
    """It names the log id once; the reason of a closed socket has 123 bytes."""
    unexpected = answer_to(ValueError())
    assert unexpected.text == unexpected.message
    assert answer_to(BadInputError("wrong")).text == "wrong"
    assert len(answer_to(database.not_done()).text.encode()) <= 123


def test_what_was_logged_before(caplog: pytest.LogCaptureFixture) -> None:
    """It is not logged again: of an outage, a thousand clients are told."""
    error = exceptions.UnavailableError("down", logId="abc")
    assert answer_to(error).extensions == {"code": "UNAVAILABLE", "logId": "abc"}
    assert not caplog.records


def test_refusals_by_the_thousand(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All answers with one text share a line of the log, for a while."""
    refusals = RepeatLog(answers.logger, "Refused", seconds=60.0)
    monkeypatch.setattr(answers, "_refusals", refusals)
    full = [answer_to(exceptions.UnavailableError("full")) for _ in range(1000)]
    [log_id] = {each.extensions["logId"] for each in full}
    [record] = caplog.records
    assert log_id in record.getMessage()
    refusals._seconds = 0.0
    assert answer_to(exceptions.UnavailableError("full")).extensions["logId"] != log_id
    for number in range(3 * RepeatLog.MAX_TEXTS):  # texts of a host's, with a number in each
        answer_to(exceptions.UnavailableError(str(number)))
    assert len(refusals._known) <= RepeatLog.MAX_TEXTS


def test_errors_of_a_kind_that_a_host_added() -> None:
    """They are answered like the kind that they are of."""

    class LateError(exceptions.UnavailableError):
        pass

    class OddError(BrokerError):
        code = "ODD"

    assert answer_to(LateError("late")).status == 503
    assert (answer_to(OddError("odd")).status, answer_to(OddError("odd")).close_code) == (400, 4400)
    assert answer_to(BrokerError("broken")).status == 500


def test_when_to_come_again() -> None:
    """It is known where the error says so."""
    assert answer_to(exceptions.RateLimitedError("too many", retryAfter=7)).retry_after == 7
    assert answer_to(BadInputError("wrong")).retry_after is None


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """The client may try again, and the log has the cause under the client's log id."""
    answer = answer_to(kind("the secret"))
    assert (answer.status, answer.close_code) == (503, CloseCode.TRY_AGAIN_LATER)
    assert answer.extensions == {"code": "UNAVAILABLE", "logId": logged(caplog, "the secret")}
    assert "secret" not in answer.message


def test_a_database_that_is_read_only(caplog: pytest.LogCaptureFixture) -> None:
    """Django has it among the internal errors; the code says what it is."""
    error = InternalError("read-only")
    error.__cause__ = psycopg.errors.ReadOnlySqlTransaction("read-only")
    answer = answer_to(error)
    assert (answer.status, answer.extensions["code"]) == (503, "UNAVAILABLE")
    assert "Nothing was changed" in answer.message


def test_an_operational_error_that_is_ours(caplog: pytest.LogCaptureFixture) -> None:
    """SQLite says so of a wrong statement, which stays wrong."""
    with pytest.raises(sqlite3.OperationalError) as wrong:
        sqlite3.connect(":memory:").execute("SELCT")
    error = OperationalError("wrong")
    error.__cause__ = wrong.value
    assert answer_to(error).extensions["code"] == "INTERNAL"


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError, DatabaseError, KeyError])
def test_what_nobody_expected(kind: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a log id and nothing more; it is logged once, with its cause."""
    answer = answer_to(kind("the secret"))
    assert (answer.status, answer.close_code) == (500, CloseCode.INTERNAL_ERROR)
    log_id = logged(caplog, "the secret")
    assert answer.extensions == {"code": "INTERNAL", "logId": log_id}
    assert log_id in answer.message
    assert "secret" not in answer.message
    assert len(answer.message.encode()) <= 123  # as many as the reason of a closed socket has


def test_the_only_error_of_a_group(caplog: pytest.LogCaptureFixture) -> None:
    """Tasks that run together raise a group; one error in it is answered as by itself."""
    one = ExceptionGroup("tasks", [ExceptionGroup("tasks", [BadInputError("wrong")])])
    assert answer_to(one).extensions == {"code": "BAD_INPUT"}
    two = ExceptionGroup("tasks", [BadInputError("wrong"), BadInputError("too")])
    assert answer_to(two).extensions["logId"] == logged(caplog, "tasks (2 sub-exceptions)")


def logged(caplog: pytest.LogCaptureFixture, cause: str) -> str:
    """Return the log id of the only line of the log, which has the cause."""
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert cause in str(record.exc_info[1])
    assert isinstance(record.args, tuple)
    return str(record.args[0])
