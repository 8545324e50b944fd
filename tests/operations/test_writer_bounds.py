"""What waits to be written is bounded, in items, in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import app_settings, database
from dasf_broker.concurrency.batching import BOUNDS
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations import writer as writer_module
from dasf_broker.operations.writer import GroupCommit
from dasf_broker.runtime import current
from tests.operations.recorder import Recorder, asked, held_up
from tests.operations.streams import publication

#: So short that nothing else happens while it lasts; the thread is held up for longer.
SOON = 0.5


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Return an operation that is held up until the test lets it go on."""
    with held_up() as recorder:
        yield recorder


# --- items and bytes --------------------------------------------------------------------------


async def test_one_more_than_may_wait_is_told_at_once(recorder: Recorder) -> None:
    """The 10,001st does not wait for a place, and does not stay in memory. Then there is room."""
    commit = GroupCommit(recorder)
    limit = app_settings.DASF_WRITER_QUEUE
    waiting = await asked(commit, [["first"], *([str(each)] for each in range(limit))], recorder)
    for _ in range(100):
        with pytest.raises(UnavailableError, match="more to write"):
            await commit.one("one more")
    assert (commit.items, len(commit._waiting)) == (limit, limit)
    assert not any(each.done() for each in waiting)
    recorder.may_go_on.set()
    outcomes = await asyncio.gather(*waiting)
    assert outcomes == [["FIRST"], *([str(each)] for each in range(limit))]
    assert await commit(["a", "b"]) == ["A", "B"]


async def test_items_of_one_caller_are_let_in_together(
    recorder: Recorder, settings: Settings
) -> None:
    """Or not at all."""
    settings.DASF_WRITER_QUEUE = 3
    commit = GroupCommit(recorder)
    waiting = await asked(commit, [["first"], ["a", "b"]], recorder)
    with pytest.raises(UnavailableError):
        await commit(["c", "d"])
    waiting.append(asyncio.create_task(commit(["e"])))
    recorder.may_go_on.set()
    assert await asyncio.gather(*waiting) == [["FIRST"], ["A", "B"], ["E"]]


async def test_bytes_are_counted(recorder: Recorder, settings: Settings) -> None:
    """Large messages fill the queue before many do; one alone is never too large for it."""
    settings.DASF_WRITER_BYTES = 100
    commit = GroupCommit(recorder, len)
    waiting = await asked(commit, [["first"], ["x" * 1000]], recorder)
    with pytest.raises(UnavailableError):
        await commit.one("y")
    recorder.may_go_on.set()
    await asyncio.gather(*waiting)
    assert commit.bytes == 0
    assert await commit.one("y") == "Y"


async def test_a_batch_is_bounded_in_bytes(recorder: Recorder) -> None:
    """Two that are large together are written one after the other."""
    commit = GroupCommit(recorder, lambda item: BOUNDS.bytes if item == "large" else 1)
    waiting = await asked(commit, [["first"], ["a"], ["large"], ["b"], ["c"]], recorder)
    recorder.may_go_on.set()
    await asyncio.gather(*waiting)
    assert recorder.batches == [["first"], ["a"], ["large"], ["b", "c"]]


@pytest.mark.django_db(transaction=True)
async def test_messages_are_weighed(producer: User, topic: BrokerTopic) -> None:
    """By their payload, which is base64, and their properties."""
    small, large = (writer_module._weigh_message(publication(producer, "x" * n)) for n in (3, 303))
    assert large - small == 400


# --- time -------------------------------------------------------------------------------------


async def test_everybody_is_answered_in_time(recorder: Recorder, settings: Settings) -> None:
    """Who is being written may be written; who waits is not, and is not tried later either."""
    settings.DASF_DATABASE_TIMEOUT = SOON
    commit = GroupCommit(recorder)
    waiting = await asked(commit, [["first"], ["a"], ["b", "c"]], recorder)
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, UnavailableError)
    assert "may or may not" in str(first)
    assert [(type(each), "Nothing was changed" in str(each)) for each in others] == [
        (UnavailableError, True)
    ] * 2
    assert (commit.items, commit.bytes) == (0, 0)
    settings.DASF_DATABASE_TIMEOUT = 30
    recorder.may_go_on.set()
    assert await commit.one("next") == "NEXT"
    assert recorder.batches == [["first"], ["next"]]


async def test_behind_another_writer(recorder: Recorder, settings: Settings) -> None:
    """Who waits for the thread itself is not in the middle of anything."""
    settings.DASF_DATABASE_TIMEOUT = SOON
    busy, other = GroupCommit(recorder), Recorder()
    other.may_go_on.set()
    await asked(busy, [["first"]], recorder)
    behind = GroupCommit(other)
    with pytest.raises(UnavailableError, match="Nothing was changed"):
        await behind.one("a")
    settings.DASF_DATABASE_TIMEOUT = 30
    recorder.may_go_on.set()
    assert await behind.one("b") == "B"
    assert other.batches == [["b"]]


async def test_what_comes_too_late_is_not_complained_about(
    recorder: Recorder, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a result nor an error that nobody waits for any more."""
    settings.DASF_DATABASE_TIMEOUT = SOON
    commit = GroupCommit(recorder)
    recorder.failures["first"] = UnavailableError("the database was locked after all")
    [waiting] = await asked(commit, [["first"]], recorder)
    await asyncio.gather(waiting, return_exceptions=True)
    recorder.may_go_on.set()
    await commit.idle()
    assert all("no answer within" in each for each in caplog.messages)


# --- the end ----------------------------------------------------------------------------------


async def test_closing_finishes_what_was_given(recorder: Recorder) -> None:
    """What comes afterwards is told to come again later."""
    commit = GroupCommit(recorder)
    waiting = await asked(commit, [["first"], ["a"], ["b"]], recorder)
    closing = asyncio.create_task(commit.close())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="going down"):
        await commit.one("c")
    assert not closing.done()
    recorder.may_go_on.set()
    await closing
    assert [each.result() for each in waiting] == [["FIRST"], ["A"], ["B"]]


@pytest.mark.django_db(transaction=True)
async def test_the_writer_of_a_loop_is_closed(topic: BrokerTopic, producer: User) -> None:
    """What it was given is in the database then; a new one comes when it is needed."""
    await current().close_writer()  # there is none
    asking = asyncio.create_task(current().writer.publish_one(publication(producer)))
    await asyncio.sleep(0)
    await current().close_writer()
    assert await database.read(BrokerMessage.objects.count) == 1
    await asking
    await current().writer.publish_one(publication(producer))
