"""Under a stricter isolation level, operations that come in each other's way are repeated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from dasf_broker import primary
from dasf_broker.checks.connections import check_isolation
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.heartbeat import ping_topics
from dasf_broker.permissions import Right
from tests.conftest import MakeUser
from tests.operations.helpers import ack, send, stored
from tests.operations.test_storage_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

#: How often each of the callers does it.
TIMES = 10

#: SQLite's transactions are serializable, whatever is said.
SERIALIZABLE = (
    "SET default_transaction_isolation = serializable"
    if connection.vendor == "postgresql"
    else "SELECT 1"
)


def side_by_side(*acts: Callable[[], Any]) -> list[Any]:
    """Do things at the same moment, each in a session of its own; return what came of each."""
    together = Barrier(len(acts))

    def serializable(act: Callable[[], Any]) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(SERIALIZABLE)
        try:
            together.wait(30)
            return act()
        finally:
            assert connection.connection is not None
            connection.connection.close()  # nobody else gets this session

    with ThreadPoolExecutor(len(acts)) as pool:
        doing = [pool.submit(in_thread, partial(serializable, act)) for act in acts]
        return [each.result(60) for each in doing]


def test_publishing_side_by_side(topic: BrokerTopic, producer: User) -> None:
    """All messages are stored, and no sequence is missing or there twice."""

    def publish() -> list[int]:
        return [send(producer).message.sequence or 0 for _ in range(TIMES)]

    sequences = side_by_side(publish, publish)
    assert sorted(chain.from_iterable(sequences)) == [*range(1, 2 * TIMES + 1)]
    assert len(stored(topic)) == 2 * TIMES


def test_the_last_two_acknowledgements(
    topic: BrokerTopic, producer: User, make_user: MakeUser
) -> None:
    """Neither of them takes the other one for missing: the message is removed."""
    BrokerTopic.objects.update(store_messages="cacheall")
    people = [make_user(name, topic, Right.CONSUME) for name in ("one", "other")]
    for _ in range(TIMES):
        message_id = send(producer).message.message_id
        done = side_by_side(*(partial(ack, each, message_id) for each in people))
        assert sorted(each.removed for each in done) == [False, True]
        assert stored(topic) == []


def test_pings_of_the_same_topics(topic: BrokerTopic) -> None:
    """Both are sent."""
    topics = [*BrokerTopic.objects.with_response_info()]

    def ping() -> int:
        return len([ping_topics(topics) for _ in range(TIMES)])

    assert side_by_side(ping, ping) == [TIMES, TIMES]


def test_the_level_that_the_database_gives(db: None) -> None:
    """A role or server may have another default than `read committed`: the check asks for it."""
    is_asked = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(SERIALIZABLE)
    found = [each.id for each in check_isolation(databases=[primary.alias()])]
    connection.close()
    assert found == (["dasf_broker.W006"] if is_asked else [])
    assert check_isolation(databases=[]) == []
