"""The log of outages: one line at the beginning, one at the end, and the cause."""

from __future__ import annotations

import logging

import pytest

from dasf_broker.concurrency import outage_log
from dasf_broker.concurrency.outage_log import OutageLog, SharedOutageLog

logger = logging.getLogger(__name__)


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of the log."""
    clock = Clock()
    monkeypatch.setattr(outage_log, "time", clock)
    return clock


def test_one_outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """However many failures there are, and in both activities: two lines with one id."""
    log = SharedOutageLog(logger, "It", quiet=3.0)
    log.recovered("reading")
    ids = {
        log.failed(activity, "OperationalError", f"wrong password {number}")
        for number in range(100)
        for activity in ("reading", "writing")
    }
    [log_id] = ids
    clock.now += 4
    log.recovered("reading")
    log.recovered("reading")
    assert len(caplog.records) == 1  # nobody knows yet whether it can be written
    clock.now += 1
    log.recovered("writing")
    assert caplog.messages == [
        f"It failed while reading (log id {log_id}): wrong password 0",
        f"It works again, after 5.0 s (log id {log_id}).",
    ]


def test_another_cause(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged as well, each once, under the same id; there is a limit."""
    log = SharedOutageLog(logger, "It", quiet=0.0)
    log_id = log.failed("reading", "late", "no answer")
    for number in range(2 * SharedOutageLog.MAX_CAUSES):
        log.failed("writing", f"PoolTimeout {number}", "no connection")
        log.failed("reading", "late", "no answer")
    assert (
        caplog.messages[1] == f"It still fails, now while writing (log id {log_id}): no connection"
    )
    assert len(caplog.messages) == SharedOutageLog.MAX_CAUSES


def test_in_and_out(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Single successes in between are not the end; the next outage has another id."""
    log = SharedOutageLog(logger, "It", quiet=3.0)
    first = log.failed("writing", "locked", "locked")
    for _ in range(10):
        clock.now += 2
        log.recovered("writing")
        assert log.failed("writing", "locked", "locked") == first
    clock.now += 3
    log.recovered("writing")
    assert len(caplog.records) == 2
    assert log.failed("writing", "locked", "locked") != first
    assert len(caplog.records) == 3


def test_what_was_logged_by_the_part_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    """What depends on it does not log it once more."""

    class LoggedError(Exception):
        log_id = "abc"

    log = OutageLog(logger, "It")
    for error in (LoggedError(), ValueError()):
        _fail_with(error, log)
    assert caplog.messages == ["It failed; it is tried again."]
    assert caplog.records[0].exc_info is not None


def _fail_with(error: Exception, log: OutageLog) -> None:
    try:
        _raise(error)
    except Exception:  # noqa: BLE001 - as those do that have such a log
        log.failed()


def _raise(error: Exception) -> None:
    raise error
