"""The storage rule when two things happen at the same moment, in two connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import TopicOptions, revoke_permission, update_topic
from dasf_broker.permissions import Right
from tests.conftest import MakeUser
from tests.operations.helpers import ack, send_many, stored

Act = Callable[[UUID], object]


def acknowledge(name: str) -> Act:
    """Return an acknowledgement."""
    return lambda message_id: ack(User.objects.get(username=name), message_id)


def leave(name: str) -> Act:
    """Return the loss of the right to consume."""
    return lambda _: revoke_permission(root(), "topic", Right.CONSUME, username=name, group=None)


def set_policy(policy: StoragePolicy) -> Act:
    """Return a change of the rule."""
    return lambda _: update_topic(root(), "topic", TopicOptions(store_messages=policy))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ("cacheall", acknowledge("consumer"), acknowledge("other")),
        ("cacheall", acknowledge("consumer"), leave("other")),
        ("cacheall", leave("other"), acknowledge("consumer")),
        ("store", acknowledge("consumer"), set_policy(StoragePolicy.CACHE)),
        ("store", set_policy(StoragePolicy.CACHE), acknowledge("consumer")),
    ],
)
def test_no_message_is_left_behind(
    policy: str,
    first: Act,
    second: Act,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    superuser: User,
    make_user: MakeUser,
) -> None:
    """Either would remove the message if it came last: together they do, in either order."""
    make_user("other", topic, Right.CONSUME)
    BrokerTopic.objects.update(store_messages=policy)
    [message_id] = send_many(producer, 1)
    first_done, second_done = Event(), Event()

    def do_first() -> None:
        with transaction.atomic():
            first(message_id)
            first_done.set()
            # Not committed yet. The other one comes through only where it does not wait for us,
            # as it should: that cannot be awaited, so it is given a moment.
            second_done.wait(0.5)

    def do_second() -> None:
        first_done.wait(30)
        second(message_id)
        second_done.set()

    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(in_thread, each) for each in (do_first, do_second)]
        for act in acts:
            act.result(timeout=60)
    assert stored(topic) == []


def in_thread(act: Callable[[], None]) -> None:
    """Do something with a connection of its own."""
    try:
        act()
    finally:
        connections.close_all()


def root() -> Caller:
    """Return the superuser."""
    return Caller(User.objects.get(username="root"))
