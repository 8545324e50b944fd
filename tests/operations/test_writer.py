"""Group commit: many callers, few transactions, and nobody suffers for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from dasf_broker import database, primary
from dasf_broker.concurrency.batching import BOUNDS
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import BrokerError, ConflictError, NotFoundError, UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations import writer as writer_module
from dasf_broker.operations.acknowledge import AcknowledgeStatus, Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.writer import GroupCommit
from dasf_broker.runtime import current
from tests.operations.recorder import Recorder, asked, held_up
from tests.operations.streams import publication

pytestmark = pytest.mark.django_db(transaction=True)

Publisher = GroupCommit[Publication, Published]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Return an operation that is held up until the test lets it go on."""
    with held_up() as recorder:
        yield recorder


async def test_many_callers_few_transactions(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes while a batch is written shares the next one, in the order of coming."""
    sizes: list[int] = []

    def counted(items: Sequence[Publication]) -> list[Published | BrokerError]:
        sizes.append(len(items))
        return publish_batch(items)

    monkeypatch.setattr(writer_module, "publish_batch", counted)
    publish = writer_module.Writer().publish_one
    published = await asyncio.gather(*(publish(publication(producer)) for _ in range(200)))
    assert [each.message.sequence for each in published] == [*range(1, 201)]
    assert sum(sizes) == 200
    assert len(sizes) <= 2


async def test_a_single_caller_waits_for_nobody(recorder: Recorder) -> None:
    """The first one is written at once, alone."""
    commit = GroupCommit(recorder)
    recorder.may_go_on.set()
    assert await commit.one("a") == "A"
    assert recorder.batches == [["a"]]


async def test_batches_are_in_order_and_bounded(recorder: Recorder) -> None:
    """What waits goes together up to the bound; what one caller brings stays together."""
    commit = GroupCommit(recorder)
    callers = [["first"], ["x"] * (BOUNDS.items - 1), ["y", "z"], ["w"] * (2 * BOUNDS.items)]
    waiting = await asked(commit, callers, recorder)
    recorder.may_go_on.set()
    outcomes = await asyncio.gather(*waiting)
    assert recorder.batches == callers
    assert outcomes == [[item.upper() for item in items] for items in callers]


async def test_each_caller_gets_their_own(recorder: Recorder) -> None:
    """An item that is refused fails nobody but who brought it."""
    commit = GroupCommit(recorder)
    recorder.may_go_on.set()
    tasks = [asyncio.create_task(commit.one(item)) for item in ("a", "missing", "b")]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert recorder.batches == [["a", "missing", "b"]]
    assert isinstance(outcomes[1], NotFoundError)
    assert [outcomes[0], outcomes[2]] == ["A", "B"]


async def test_item_that_breaks_the_batch_fails_alone(recorder: Recorder) -> None:
    """A surprise costs its own caller, and nobody beside them."""
    commit = GroupCommit(recorder)
    recorder.failures["bad"] = ZeroDivisionError("surprise")
    waiting = await asked(commit, [["first"], ["a"], ["bad"], ["b"]], recorder)
    recorder.may_go_on.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes.pop(2), ZeroDivisionError)
    assert outcomes == [["FIRST"], ["A"], ["B"]]
    assert recorder.batches == [["first"], ["a", "bad", "b"], ["a"], ["bad"], ["b"]]


async def test_broken_batch_leaves_nothing_half_written(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that broke is undone, and the neighbours are stored once, without hole."""

    def breaking(items: Sequence[Publication]) -> list[Published | BrokerError]:
        with primary.atomic():
            outcomes = publish_batch(items)
            if any(each.envelope.payload == bad.envelope.payload for each in items):
                raise ZeroDivisionError("surprise")
        return outcomes

    bad = publication(producer, "bad")
    publish: Publisher = GroupCommit(breaking)
    asked = [publication(producer, "a"), bad, publication(producer, "b")]
    outcomes = await asyncio.gather(*map(publish.one, asked), return_exceptions=True)
    assert isinstance(outcomes.pop(1), ZeroDivisionError)
    assert [each.message.sequence for each in outcomes] == [1, 2]  # type: ignore[union-attr]
    assert await database.read(BrokerMessage.objects.count) == 2


async def test_cancelled_caller_does_not_disturb(recorder: Recorder) -> None:
    """Who goes away takes nothing from the others, and nothing back: what was given is written."""
    commit = GroupCommit(recorder)
    waiting = await asked(commit, [["first"], ["a"], ["b"], ["c"]], recorder)
    waiting[0].cancel()
    waiting[2].cancel()
    recorder.may_go_on.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in outcomes[::2]] == [asyncio.CancelledError] * 2
    assert outcomes[1::2] == [["A"], ["C"]]
    assert recorder.batches == [["first"], ["a", "b", "c"]]
    assert await commit.one("next") == "NEXT"


async def test_database_that_does_not_answer(recorder: Recorder) -> None:
    """It is UNAVAILABLE for the batch; who came after it is tried."""
    commit = GroupCommit(recorder)
    recorder.failures["first"] = OperationalError("database is locked")
    waiting = await asked(commit, [["first"], ["a"], ["b"]], recorder)
    recorder.may_go_on.set()
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, UnavailableError)
    assert others == [["A"], ["B"]]


async def test_database_that_fails_while_the_culprit_is_sought(recorder: Recorder) -> None:
    """Then nobody else's single try is waited for."""
    commit = GroupCommit(recorder)
    recorder.failures["bad"] = ZeroDivisionError("surprise")
    recorder.failures["locked"] = OperationalError("database is locked")
    waiting = await asked(commit, [["first"], ["bad"], ["locked"], ["c"]], recorder)
    recorder.may_go_on.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in outcomes] == [
        list,
        ZeroDivisionError,
        UnavailableError,
        UnavailableError,
    ]
    assert ["c"] not in recorder.batches


if connection.vendor == "postgresql":  # a connection to SQLite cannot be lost

    async def test_connection_that_is_lost(topic: BrokerTopic, producer: User) -> None:
        """A lost connection is UNAVAILABLE once, and replaced by itself."""
        publish = current().writer.publish_one
        await publish(publication(producer))
        lost = await database.write(_backend)
        await database.read(_terminate, lost)
        with pytest.raises(UnavailableError):
            await publish(publication(producer))
        assert (await publish(publication(producer))).message.sequence == 2


async def test_duplicates_in_one_batch(topic: BrokerTopic, producer: User) -> None:
    """The same message from several callers is stored once; another body is a conflict."""
    one = publication(producer, "one")
    message_id = one.envelope.message_id
    other = Publication(
        one.caller, "topic", Envelope.compose(max_size=1000, message_id=message_id, text="other")
    )
    outcomes = await current().writer.publish([one, one, other])
    statuses = [each.status if isinstance(each, Published) else type(each) for each in outcomes]
    assert statuses == [PublishStatus.STORED, PublishStatus.DUPLICATE, ConflictError]


async def test_acknowledgements_share_a_transaction_too(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Acknowledgements of many callers are answered one by one."""
    published = await current().writer.publish([publication(producer) for _ in range(20)])
    ids = [each.message.message_id for each in published if isinstance(each, Published)]
    caller = Caller(consumer)
    acknowledge = current().writer.acknowledge_one
    done = await asyncio.gather(
        *(acknowledge(Acknowledging(caller, "topic", each)) for each in ids)
    )
    assert {each.status for each in done} == {AcknowledgeStatus.ACKNOWLEDGED}
    assert [each.message_id for each in done] == ids
    assert await database.read(BrokerMessage.objects.count) == 0


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _terminate(backend: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
