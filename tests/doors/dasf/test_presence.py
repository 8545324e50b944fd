"""Consumers come and go: garbage collection, pings, and signs of life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.utils import timezone

from dasf_broker import database
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping
from dasf_broker.operations.subscriptions import consumer_log, consumers
from dasf_broker.operations.upkeep import response_topics
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from dasf_broker.signals import topic_ponged
from tests.conftest import MakeTopic
from tests.doors.dasf.conftest import OpenDasf
from tests.doors.dasf.frames import (
    acknowledge,
    fresh,
    publish,
    queries_of_all_threads,
    texts,
    until_true,
)
from tests.doors.waiting import until, until_heard
from tests.endurance.vitals import warm_up

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answers(topic: BrokerTopic, producer: User) -> BrokerTopic:
    """Return a response topic of ``topic`` that ``producer`` consumes."""
    created: BrokerTopic = ResponseTopic.objects.create(slug="answers", is_response_for=topic)
    grant(producer, created, Right.CONSUME)
    return created


@pytest.fixture
def ponged() -> Iterator[list[Any]]:
    """Return the list of pongs that were noted."""
    noted: list[Any] = []

    def note(**values: Any) -> None:
        noted.append(values["user"])

    topic_ponged.connect(note)
    yield noted
    topic_ponged.disconnect(note)


async def test_due_after_the_last_consumer(
    dasf: OpenDasf, topic: BrokerTopic, answers: BrokerTopic, producer: User
) -> None:
    """A response topic is due ten minutes after its last consumer left; before, in a day."""
    one, two = [await dasf(f"answers/{name}", producer) for name in "ab"]
    await until_heard(answers, by=2)
    await one.close()
    assert _is_kept(await database.read(fresh, answers))
    await two.close()
    due = (await database.read(fresh, answers)).garbage_collect_on
    assert due is not None
    assert abs(due - timezone.now() - timedelta(minutes=10)) < timedelta(minutes=1)
    await dasf("answers/c", producer)
    await until_true(lambda: _is_kept(fresh(answers)))


async def test_outstanding_answers_are_kept(
    dasf: OpenDasf, topic: BrokerTopic, answers: BrokerTopic, producer: User, consumer: User
) -> None:
    """A response topic with an answer that nobody took is left alone for a day."""
    await publish(await dasf("answers", consumer), "42", kind="response")
    socket = await dasf("answers/a", producer)
    await texts(socket, 1)
    await socket.close()
    for hours, collected in ((23, 0), (25, 1)):
        later = timezone.now() + timedelta(hours=hours)
        assert await database.write(_remove_due, later) == collected


async def test_new_request_puts_it_off(
    dasf: OpenDasf, topic: BrokerTopic, answers: BrokerTopic, producer: User
) -> None:
    """A request that wants its answer there needs the topic for another day."""
    await database.write(consumers.note_last_departures, [answers.pk])
    assert (await database.read(fresh, answers)).garbage_collect_on is not None
    source = await dasf("topic", producer)
    await source.send({"properties": {"response_topic": "answers"}, "payload": ""})
    assert (await source.receive())["result"] == "ok"
    for hours, collected in ((23, 0), (25, 1)):
        later = timezone.now() + timedelta(hours=hours)
        assert await database.write(_remove_due, later) == collected


async def test_leaving_races_with_coming(
    dasf: OpenDasf,
    topic: BrokerTopic,
    answers: BrokerTopic,
    producer: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A consumer that comes while the last one's leaving is noted keeps the topic."""
    may_go_on, is_held = threading.Event(), threading.Event()
    note_left = consumers.note_last_departures

    def hold(topic_ids: Sequence[int]) -> list[None]:
        is_held.set()
        assert may_go_on.wait(20)
        return note_left(topic_ids)

    first = await dasf("answers/a", producer)
    await until_heard(answers)
    monkeypatch.setattr(consumers, "note_last_departures", hold)
    leaving = asyncio.create_task(first.close())
    await until(is_held.is_set)
    # Not by a socket: its token is written, and the writing thread is held.
    task = asyncio.create_task(_listen())
    await until_heard(answers)
    may_go_on.set()
    await leaving
    assert _is_kept(await database.read(fresh, answers))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_topic_is_pinged(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, make_topic: MakeTopic
) -> None:
    """Where the last consumer left, a ping finds out whether others answer elsewhere."""

    def make_plain() -> BrokerTopic:
        plain = make_topic("plain", supports_dasf=False)
        grant(consumer, plain, Right.CONSUME)
        return plain

    plain = await database.write(make_plain)
    for each in (topic, plain):
        socket = await dasf(f"{each.slug}/a", consumer)
        await until_heard(each)
        assert (await database.read(fresh, each)).last_ping is None
        await socket.close()
    pinged = await database.read(fresh, topic)
    assert (pinged.availability, pinged.garbage_collect_on) == (False, None)
    assert (await database.read(fresh, plain)).last_ping is None  # it answers no pings


async def test_acknowledgements_are_pongs(
    dasf: OpenDasf,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    ponged: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who acknowledges is alive: one pong for the acknowledgements of three consumers."""
    monkeypatch.setattr(consumer_log, "PONG_STEP", 3600)  # however long they take here
    sockets = [await dasf(f"topic/{name}", consumer) for name in "abc"]
    await until_heard(topic, by=3)
    await database.write(ping, Caller(producer), "topic")
    ids = await publish(await dasf("topic", producer), *map(str, range(30)))
    for socket in sockets:
        assert await texts(socket, 31) == ["", *map(str, range(30))]
        for each in ids:
            await acknowledge(socket, each)
    await until_true(lambda: not topic.brokermessage_set.exists())
    for socket in sockets:
        await socket.close()
    assert ponged == [consumer]
    assert (await database.read(fresh, topic)).last_pong is not None


async def test_ping_is_answered_by_its_acknowledgement(
    dasf: OpenDasf, topic: BrokerTopic, producer: User, consumer: User, ponged: list[Any]
) -> None:
    """However little time passed since the last pong, a ping asks for a new one."""
    socket = await dasf("topic/a", consumer)
    await until_heard(topic)
    for _ in range(3):
        await database.write(ping, Caller(producer), "topic")
        received = await socket.receive()
        await acknowledge(socket, received["messageId"])
        await until(lambda: ponged)
        ponged.clear()
        assert (await database.read(fresh, topic)).availability is True


async def test_idle_consumers_cost_nothing(
    dasf: OpenDasf, topic: BrokerTopic, consumer: User, producer: User
) -> None:
    """An idle socket has no thread and no row, and asks the database nothing of its own."""
    await publish(await dasf("topic", producer), "1")
    await texts(await dasf("topic/first", consumer), 1)
    await warm_up()  # all threads are there
    threads, rows = threading.active_count(), await database.read(_rows)
    sockets = [await dasf(f"topic/{number}", consumer) for number in range(50)]
    for socket in sockets:
        await texts(socket, 1)
    assert threading.active_count() <= threads
    assert (await database.read(_rows)) == rows + 50  # the tokens that the test made
    with queries_of_all_threads() as queries:
        await current().hub.poll()
    assert len(queries) == 1


def _is_kept(topic: BrokerTopic) -> bool:
    due = topic.garbage_collect_on
    return due is not None and due > timezone.now() + timedelta(hours=22)


async def _listen() -> None:
    topics = BrokerTopic.objects.with_response_info()
    async with consumers.consuming(current(), await database.read(topics.get, slug="answers")) as (
        mailbox,
        _,
    ):
        await mailbox.get()


def _remove_due(now: datetime) -> int:
    return sum(response_topics.remove_due(now))


def _rows() -> int:
    return sum(model._default_manager.count() for model in apps.get_models())
