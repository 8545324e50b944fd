"""While tests of a host run: calls see the test's transaction, or leave no connection behind."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection

from dasf_broker import apublish, database, test_mode
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.testing import GraphQLClient

TOPIC = '{ topic(slug: "topic") { slug } }'


@pytest.fixture(autouse=True)
def _tests_are_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the broker notice that it is tested, which it does not in the tests of its own."""
    monkeypatch.setattr(test_mode, "are_running", lambda: True)


@pytest.mark.django_db
async def test_loop_in_the_thread_of_the_test(topic: BrokerTopic, producer: User) -> None:
    """Reads and writes, one by one and in batches, are part of the test's transaction."""
    assert await database.read(BrokerTopic.objects.count) == 1
    await apublish("topic", data=0, user=producer)
    assert await database.write(BrokerMessage.objects.count) == 1
    assert await database.aside(BrokerMessage.objects.count, 1.0) == 1
    assert await database.hand_over(BrokerMessage.objects.count) == 1


@pytest.mark.django_db
def test_loop_in_another_thread(topic: BrokerTopic, producer: User) -> None:
    """As with the test client, which runs asynchronous views beside the thread of the test."""
    assert GraphQLClient(producer).execute(TOPIC) == {"topic": {"slug": "topic"}}


@pytest.mark.django_db
async def test_errors_are_those_of_the_threads(topic: BrokerTopic) -> None:
    """What is raised there is raised here."""
    with pytest.raises(BrokerTopic.DoesNotExist):
        await database.read(lambda: BrokerTopic.objects.get(slug="nowhere"))


@pytest.mark.django_db(transaction=True)
async def test_threads_leave_no_connection_behind(topic: BrokerTopic, producer: User) -> None:
    """Where no transaction is open a thread does it, whose connection is closed then."""
    database.close()  # those of other tests, which keep theirs
    await apublish("topic", data=0, user=producer)
    for call in (database.read, database.write):
        assert await call(BrokerMessage.objects.count) == 1
        assert await call(lambda: connection.connection) is None


@pytest.mark.django_db(transaction=True)
async def test_one_thread_at_a_time_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite in memory answers a second thread with "locked", however long it would wait."""
    monkeypatch.setattr(test_mode, "_is_in_memory", lambda: True)
    meeting = threading.Barrier(2)

    def meet() -> bool:
        try:
            meeting.wait(0.05)
        except threading.BrokenBarrierError:
            return False
        return True

    met = await asyncio.gather(database.read(meet), database.write(meet))
    assert not any(met)


@pytest.mark.django_db(transaction=True)
async def test_a_thread_that_waits_for_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a receiver of a signal may: it is not kept waiting forever."""
    monkeypatch.setattr(test_mode, "_is_in_memory", lambda: True)
    monkeypatch.setattr(test_mode, "PATIENCE", 0.05)
    nested = async_to_sync(database.read)
    assert await database.write(lambda: nested(lambda: "read")) == "read"
