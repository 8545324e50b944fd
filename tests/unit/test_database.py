"""The threads between the event loop and the database: everybody is answered in time."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from pytest_django import Settings

from dasf_broker import app_settings, database
from dasf_broker.exceptions import UnavailableError
from tests.acceptance.servers import ROOT
from tests.operations.streams import DEADLINE, until

#: So short that nothing else happens while it lasts; the threads are held up for longer.
SOON = 0.5

UNCHANGED, UNSURE = "Nothing was changed", "may or may not"


class Blocker:
    """Something for a thread to do that takes until it may go on."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.may_go_on = threading.Event()

    def __call__(self, name: object = None) -> object:
        """Begin, wait, and return the name, or raise it."""
        self.begun.append(name)
        assert self.may_go_on.wait(DEADLINE)
        if isinstance(name, Exception):
            raise name
        return name


@pytest.fixture
def blocker(settings: Settings) -> Iterator[Blocker]:
    """Return what blocks a thread until the test is over, in front of callers without patience."""
    settings.DASF_DATABASE_TIMEOUT = SOON
    blocker = Blocker()
    yield blocker
    blocker.may_go_on.set()
    database.close()


@pytest.mark.parametrize(
    ("call", "expected"), [(database.read, UNCHANGED), (database.write, UNSURE)]
)
async def test_a_call_that_began(call: Any, expected: str, blocker: Blocker) -> None:
    """Its caller is answered in time; the thread goes on, and serves the next one."""
    with pytest.raises(UnavailableError, match=expected):
        await call(blocker, "first")
    assert blocker.begun == ["first"]
    blocker.may_go_on.set()
    assert await call(blocker, "next") == "next"


async def test_a_call_that_waits(blocker: Blocker) -> None:
    """It is taken back: what the caller believes undone is not done later."""
    first = database.hand_over(blocker, "first")
    with pytest.raises(UnavailableError, match=UNCHANGED):
        await database.write(blocker, "second")
    blocker.may_go_on.set()
    assert await first == "first"
    assert await database.write(blocker, "third") == "third"
    assert blocker.begun == ["first", "third"]


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
async def test_what_comes_too_late_is_not_complained_about(
    error: Exception | None, blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a result nor an error, of a caller whose time was over or who has gone."""
    gone = asyncio.create_task(database.write(blocker, error))
    await until(lambda: blocker.begun)
    gone.cancel()
    with pytest.raises(UnavailableError):
        await database.read(blocker, error)
    blocker.may_go_on.set()
    await database.write(int)
    await until(lambda: len(blocker.begun) == 2)
    del gone
    gc.collect()
    await asyncio.sleep(0)
    late = ("no answer within", "works again")  # which the caller that waited was told of
    assert not [each for each in caplog.messages if not any(told in each for told in late)]


async def test_who_has_gone_asks_for_nothing(blocker: Blocker) -> None:
    """What had not begun is not begun."""
    first = database.hand_over(blocker, "first")
    waiting = asyncio.create_task(database.write(blocker, "second"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    blocker.may_go_on.set()
    await asyncio.gather(first, database.write(int))
    assert blocker.begun == ["first"]


@pytest.mark.parametrize("outcome", ["done", ZeroDivisionError()])
def test_a_thread_that_waits_for_another_one(outcome: object, blocker: Blocker) -> None:
    """It waits as long as it says, and gets what the function returned or raised."""
    with pytest.raises(UnavailableError):
        database.ASIDE.wait(partial(blocker, "first"), 0.05)
    with pytest.raises(UnavailableError):  # and this one is taken back
        database.ASIDE.wait(partial(blocker, "second"), 0.05)
    blocker.may_go_on.set()
    if isinstance(outcome, Exception):
        with pytest.raises(ZeroDivisionError):
            database.ASIDE.wait(partial(blocker, outcome), DEADLINE)
    else:
        assert database.ASIDE.wait(partial(blocker, outcome), DEADLINE) == outcome
    assert blocker.begun == ["first", outcome]


async def test_what_is_handed_over_is_done(blocker: Blocker) -> None:
    """However late, and whoever has gone."""
    first = database.hand_over(blocker, "first")
    forgotten = database.hand_over(blocker, "second")
    forgotten.cancel()
    with pytest.raises(UnavailableError):
        await database.write(blocker, "third")
    blocker.may_go_on.set()
    assert await first == "first"
    await until(lambda: blocker.begun == ["first", "second"])


async def test_threads_that_are_stuck_do_not_pile_up(blocker: Blocker) -> None:
    """There are as many as the settings say, and nothing of those who gave up is kept."""
    before = threading.active_count()
    calls = [database.read(blocker, each) for each in range(200)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in outcomes} == {UnavailableError}
    assert len(blocker.begun) == app_settings.DASF_DATABASE_THREADS
    assert threading.active_count() <= before + app_settings.DASF_DATABASE_THREADS
    assert not database.READING._queue


async def test_reads_share_the_threads(blocker: Blocker, settings: Settings) -> None:
    """As many at once as there are threads; a slow one does not hold up the others."""
    settings.DASF_DATABASE_TIMEOUT = DEADLINE
    slow = [
        asyncio.create_task(database.read(blocker, each))
        for each in range(app_settings.DASF_DATABASE_THREADS - 1)
    ]
    assert await asyncio.gather(*(database.read(int) for _ in range(100))) == [0] * 100
    assert not any(each.done() for each in slow)
    blocker.may_go_on.set()
    assert await asyncio.gather(*slow) == [*range(len(slow))]


async def test_closing_does_not_wait_for_ever(
    blocker: Blocker, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread that is stuck is left behind, and new ones come when they are needed."""
    stuck = database.hand_over(blocker, "stuck")
    await until(lambda: blocker.begun)
    database.close(SOON)
    assert "1 threads still wait" in caplog.text
    blocker.may_go_on.set()
    assert await database.write(blocker, "next") == "next"
    assert await stuck == "stuck"


async def test_closing_ends_the_threads(blocker: Blocker) -> None:
    """What was given to them is done before, and they are gone afterwards."""
    blocker.may_go_on.set()
    before = {each for each in threading.enumerate() if not each.name.startswith("dasf-")}
    first, second = database.hand_over(blocker, 1), database.hand_over(blocker, 2)
    database.close()
    assert set(threading.enumerate()) <= before
    assert [await first, await second] == [1, 2]


def test_a_thread_that_is_stuck_does_not_keep_the_process() -> None:
    """It ends with the program, not the program with it."""
    program = """
import asyncio, threading, django
django.setup()
from dasf_broker import database
async def main():
    begun = threading.Event()
    def wait():
        begun.set()
        threading.Event().wait()
    database.hand_over(wait)
    assert begun.wait(30)
    database.close(0.1)
asyncio.run(main())
print("the end")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"the end\n"


class Cause(Exception):  # noqa: N818 - it stands for errors of several drivers
    """An error as a database driver has it."""

    def __init__(self, text: str = "", **fields: Any) -> None:
        super().__init__(text)
        self.__dict__.update(fields)


class PoolTimeout(Cause):
    """As psycopg's pool has it."""


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause(sqlite_errorname="SQLITE_BUSY"), UNCHANGED),
        (Cause(sqlite_errorname="SQLITE_FULL"), UNCHANGED),
        (Cause(sqlite_errorname="SQLITE_IOERR_FSYNC"), UNSURE),
        (Cause(sqlstate="57014"), UNCHANGED),  # the statement's time was over
        (Cause(sqlstate="53100"), UNCHANGED),  # the disk is full
        (Cause(sqlstate="57P02"), UNSURE),  # the server crashes
        (Cause(sqlstate="08006"), UNSURE),
        (Cause("server closed the connection unexpectedly", sqlstate=None), UNSURE),
        (Cause("connection failed: no such file", sqlstate=None), UNCHANGED),
        (PoolTimeout(sqlstate=None), UNCHANGED),
        (None, UNSURE),
    ],
)
async def test_an_error_says_whether_something_may_be_written(
    cause: Exception | None, expected: str, kind: Callable[[], Exception]
) -> None:
    """A write that was refused is undone; one whose answer was lost may be there. Reads cannot."""

    def fail() -> None:
        raise kind() from cause

    with pytest.raises(UnavailableError, match=expected):
        await database.write(fail)
    with pytest.raises(UnavailableError, match=UNCHANGED):
        await database.read(fail)
