"""A transaction of the host that has locked a topic stays open: other topics do not wait for it.

On SQLite a transaction that writes locks the whole database: there is nothing to put aside.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from pytest_django import Settings

from dasf_broker import acreate_topic, aping, database, primary
from dasf_broker.domain.envelope import Envelope, decode_text
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations import heartbeat
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
from dasf_broker.operations.storage.lock import write_topic
from dasf_broker.operations.subscriptions.consumers import note_last_departures
from dasf_broker.operations.topics import TopicOptions, store_api_info, update_topic
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import ack, housekeeping_round
from tests.operations.streams import DEADLINE, until

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[], object]

RIGHTS = set(Right) - {Right.ADD}


@pytest.fixture
def user(make_user: MakeUser, make_topic: MakeTopic) -> User:
    """Return a user who may do everything on both topics."""
    return make_user_and_topics(make_user, make_topic)


def make_user_and_topics(make_user: MakeUser, make_topic: MakeTopic) -> User:
    """Return a user who may do everything on the topics ``locked`` and ``other``."""
    user = make_user("ada")
    for slug in ("locked", "other"):
        grant(user, make_topic(slug, store_messages="store"), *RIGHTS)
    return user


@contextmanager
def open_transaction(act: Act) -> Iterator[None]:
    """Do something in a transaction of the host, which stays open as long as the context lasts."""
    is_done, may_end = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with primary.atomic():
                act()
                is_done.set()
                assert may_end.wait(DEADLINE)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert is_done.wait(DEADLINE)
        yield
    finally:
        may_end.set()
        thread.join()


def host_publishes() -> None:
    """Publish, as a view of the host does."""
    publish(message(None, "locked", "of the host"))


def host_acknowledges() -> None:
    """Acknowledge a message."""
    ack(
        User.objects.get(username="ada"),
        BrokerMessage.objects.filter(topic__slug="locked")[0].message_id,
        "locked",
    )


def host_pings() -> None:
    """Ping: only the topic itself is updated."""
    heartbeat.ping_topic(BrokerTopic.objects.get(slug="locked"))


def host_saves() -> None:
    """Save a form of the admin."""
    BrokerTopic.objects.get(slug="locked").save()


def host_locks() -> None:
    """Take the strongest lock."""
    BrokerTopic.objects.select_for_update().get(slug="locked")


def message(user: User | None, slug: str, text: str, **parts: Any) -> Publication:
    """Return a message of a user, or of the host itself."""
    caller = Caller.system() if user is None else Caller(user)
    envelope = Envelope.compose(max_size=1000, text=text, **parts)
    return Publication(caller, slug, envelope, is_limited=False)


def writes(user: User, slug: str, acknowledged: UUID) -> list[Awaitable[Any]]:
    """Return writes of all kinds to a topic."""
    caller, writer = Caller(user), current().writer
    return [
        writer.publish_one(message(user, slug, "x")),
        writer.acknowledge_one(Acknowledging(caller, slug, acknowledged)),
        aping(slug, user=user),
        write_topic(heartbeat.pong, caller, slug),
        write_topic(update_topic, caller, slug, TopicOptions(retention_count=1000)),
        write_topic(store_api_info, caller, slug, {}),
        write_topic(_note_departure, caller, slug),
    ]


def texts(slug: str) -> list[str]:
    """Return the texts that a topic stores, in order."""
    rows = BrokerMessage.objects.filter(topic__slug=slug).order_by("sequence")
    return [str(decode_text(row.content["payload"])) for row in rows]


async def sent(user: User, slug: str, text: str = "x") -> Published:
    """Publish a message."""
    return await current().writer.publish_one(message(user, slug, text))


async def soon(asked: Awaitable[Any]) -> Any:
    """Return what is not locked."""
    return await asyncio.wait_for(asked, DEADLINE)


def _note_departure(_: Caller, slug: str) -> None:
    note_last_departures([BrokerTopic.objects.get(slug=slug).pk])


def _create_response_topic() -> None:
    ResponseTopic.objects.create(
        slug="answers", is_response_for=BrokerTopic.objects.get(slug="locked")
    )


if connection.vendor == "postgresql":

    @pytest.mark.parametrize(
        "host", [host_publishes, host_acknowledges, host_pings, host_saves, host_locks]
    )
    async def test_others_do_not_wait(host: Act, user: User) -> None:
        """Whatever has locked it, and whatever is written. Then all is done that waited for it."""
        known = (await sent(user, "locked")).message.message_id
        with open_transaction(host):
            waiting = [asyncio.ensure_future(each) for each in writes(user, "locked", known)]
            for _ in range(3):
                done = await soon(sent(user, "other"))
                await soon(asyncio.gather(*writes(user, "other", done.message.message_id)))
            assert not any(each.done() for each in waiting)
        published, acknowledged, *_ = await soon(asyncio.gather(*waiting))
        assert published.status is PublishStatus.STORED
        is_first = host is not host_acknowledges
        assert acknowledged.status.value == ("ACKNOWLEDGED" if is_first else "ALREADY_ACKNOWLEDGED")

    async def test_the_order_is_kept(user: User) -> None:
        """Of each caller's messages to the topic, whenever they came."""
        publishing, expected = [], ["of the host"]
        with open_transaction(host_publishes):
            for number in range(30):
                publishing.append(asyncio.ensure_future(sent(user, "locked", str(number))))
                expected.append(str(number))
                await soon(sent(user, "other", str(number)))
            assert not any(each.done() for each in publishing)
        publishing.append(asyncio.ensure_future(sent(user, "locked", "last")))
        await soon(asyncio.gather(*publishing))
        assert await database.read(texts, "locked") == [*expected, "last"]
        assert await database.read(texts, "other") == expected[1:]

    async def test_a_message_that_asks_for_answers_keeps_its_place(user: User) -> None:
        """It waits for its response topic; what its caller sends later waits behind it."""
        first = message(user, "other", "0", response_topic="other-answers")
        await current().writer.publish_one(first)
        marked = BrokerTopic.objects.filter(slug="other-answers")
        await database.write(marked.update, garbage_collect_on=timezone.now())

        def lock() -> None:
            BrokerTopic.objects.select_for_update().get(slug="other-answers")

        again = message(user, "other", "1", response_topic="other-answers")
        with open_transaction(lock):
            waiting = [asyncio.ensure_future(current().writer.publish_one(again))]
            await soon(sent(user, "locked"))
            waiting.append(asyncio.ensure_future(sent(user, "other", "2")))
            await soon(sent(user, "locked"))
            assert not any(each.done() for each in waiting)
        await soon(asyncio.gather(*waiting))
        assert await database.read(texts, "other") == ["0", "1", "2"]

    async def test_what_waits_too_long_is_not_done(user: User, settings: Settings) -> None:
        """And not later either."""
        known = (await sent(user, "locked")).message.message_id
        settings.DASF_DATABASE_TIMEOUT = 0.5
        with open_transaction(host_publishes):
            late = await asyncio.gather(*writes(user, "locked", known), return_exceptions=True)
            settings.DASF_DATABASE_TIMEOUT = DEADLINE
            await sent(user, "other")
        assert [type(each) for each in late] == [UnavailableError] * len(late)
        assert all("Nothing was changed" in str(each) for each in late)
        await sent(user, "locked", "later")
        assert await database.read(texts, "locked") == ["x", "of the host", "later"]

    async def test_what_a_cancelled_caller_published_is_written(user: User) -> None:
        """As always."""
        with open_transaction(host_publishes):
            publishing = asyncio.ensure_future(sent(user, "locked"))
            await soon(sent(user, "other"))
            publishing.cancel()
            await soon(sent(user, "other"))
        await until(lambda: not current().writer._publishing._open)
        assert await database.read(texts, "locked") == ["of the host", "x"]

    async def test_closing_waits_for_it(user: User) -> None:
        """What was accepted is written before the server ends."""
        with open_transaction(host_publishes):
            publishing = asyncio.ensure_future(sent(user, "locked"))
            await soon(sent(user, "other"))
            closing = asyncio.ensure_future(current().close_writer())
            await asyncio.sleep(0.1)
            assert not closing.done()
        await soon(closing)
        assert (await publishing).status is PublishStatus.STORED

    async def test_a_topic_that_is_locked_again_and_again(user: User) -> None:
        """Another server keeps it locked, for a moment each time: everybody gets a turn."""
        may_end = threading.Event()

        def keep_locking() -> None:
            try:
                while not may_end.is_set():
                    with primary.atomic():
                        host_locks()
                        time.sleep(0.015)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=keep_locking) for _ in range(2)]
        try:
            for thread in threads:
                thread.start()
            for number in range(20):
                await soon(sent(user, "locked", str(number)))
        finally:
            may_end.set()
            for thread in threads:
                thread.join()

    async def test_a_locked_user(user: User, make_user: MakeUser) -> None:
        """What others write to the same topics does not wait for a user's row."""
        other = await database.read(_with_rights, make_user, "bob")

        def lock() -> None:
            User.objects.select_for_update().get(pk=user.pk)

        with open_transaction(lock):
            waiting = [asyncio.ensure_future(sent(user, "locked")) for _ in range(3)]
            for _ in range(3):
                await soon(asyncio.gather(*(sent(other, "locked") for _ in range(5))))
            assert not any(each.done() for each in waiting)
        await soon(asyncio.gather(*waiting))

    async def test_a_slug_that_is_being_taken(user: User) -> None:
        """A topic is created in a transaction that stays open, and by a client at the same time."""
        root = await database.read(_root)
        with open_transaction(lambda: BrokerTopic.objects.create(slug="new")):
            creating = asyncio.ensure_future(acreate_topic("new", user=root))
            publishing = asyncio.ensure_future(sent(root, "new"))
            for _ in range(3):
                await soon(sent(user, "other"))
            with pytest.raises(UnavailableError, match="Nothing was changed"):
                await soon(publishing)
            with pytest.raises(UnavailableError, match="Nothing was changed"):
                await soon(creating)
        assert (await sent(root, "new")).status is PublishStatus.STORED

    async def test_references_lock_nothing(user: User) -> None:
        """A row of the host that refers to the topic does not keep anybody from publishing."""
        with open_transaction(_create_response_topic):
            assert (await soon(sent(user, "locked"))).status is PublishStatus.STORED

    async def test_housekeeping_goes_on(user: User) -> None:
        """It comes back to the topic in the next round."""
        await database.write(_make_work)
        with open_transaction(host_locks):
            report = await soon(database.write(housekeeping_round))
            assert await database.read(_pinged) == {"other"}
            assert report.retired == 1
        await soon(database.write(housekeeping_round))
        assert await database.read(_pinged) == {"other", "locked"}

    async def test_what_waits_is_bounded(user: User, settings: Settings) -> None:
        """What waits for a locked topic takes half of the places, and others the other half."""
        settings.DASF_WRITER_QUEUE = 10
        with open_transaction(host_publishes):
            waiting = [asyncio.ensure_future(sent(user, "locked")) for _ in range(8)]
            await soon(sent(user, "other"))
            await until(lambda: sum(each.done() for each in waiting) == 3)
            for _ in range(5):
                await soon(asyncio.gather(*(sent(user, "other") for _ in range(5))))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(each, Published) for each in outcomes] == [True] * 5 + [False] * 3
        writer = current().writer._publishing
        assert (writer.items, writer.bytes, writer._aside.items, writer._aside.bytes) == (
            0,
            0,
            0,
            0,
        )


def _with_rights(make_user: MakeUser, name: str) -> User:
    user = make_user(name)
    for topic in BrokerTopic.objects.all():
        grant(user, topic, *RIGHTS)
    return user


def _root() -> User:
    return User.objects.create_superuser("root")


def _make_work() -> None:
    for slug in ("locked", "other"):
        publish(message(None, slug, "old"))
        publish(message(None, slug, "new"))
    BrokerTopic.objects.update(retention_count=1, last_ping=None)


def _pinged() -> set[str]:
    pinged = BrokerTopic.objects.filter(last_ping__isnull=False)
    return {*pinged.values_list("slug", flat=True)}
