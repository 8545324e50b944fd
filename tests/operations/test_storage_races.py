"""The storage rule when two things happen at the same moment, in two connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connections

from dasf_broker import primary
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage.settlement import settle_all
from dasf_broker.operations.topics import (
    TopicOptions,
    grant_permission,
    revoke_permission,
    update_topic,
)
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
    at_once(lambda: first(message_id), lambda: second(message_id))
    assert stored(topic) == []


@pytest.mark.django_db(transaction=True)
def test_whoever_is_given_the_right_is_waited_for(
    topic: BrokerTopic, producer: User, consumer: User, superuser: User, make_user: MakeUser
) -> None:
    """Also by the housekeeping that is about to settle what all others acknowledged."""
    leaver = make_user("leaver", topic, Right.CONSUME)
    make_user("newcomer")
    BrokerTopic.objects.update(store_messages="cacheall")
    [message_id] = send_many(producer, 1)
    ack(consumer, message_id)
    # Nobody told the broker: the housekeeping is to find out.
    User.objects.filter(pk=leaver.pk).update(is_active=False)

    def give() -> None:
        grant_permission(root(), "topic", Right.CONSUME, username="newcomer", group=None)

    assert at_once(give, lambda: sum(settle_all())) == (None, 0)
    assert stored(topic) == [message_id]


def at_once(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Do the first, and the second before the first is committed; return what came of each."""
    first_done, second_done = Event(), Event()

    def do_first() -> Any:
        with primary.atomic():
            outcome = first()
            first_done.set()
            # The other one has to wait for us. That it does not come through cannot be awaited,
            # so it is given a moment.
            second_done.wait(0.5)
        return outcome

    def do_second() -> Any:
        first_done.wait(30)
        outcome = second()
        second_done.set()
        return outcome

    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(in_thread, each) for each in (do_first, do_second)]
        one, other = [act.result(timeout=60) for act in acts]
    return one, other


def in_thread(act: Callable[[], Any]) -> Any:
    """Do something with a connection of its own."""
    try:
        return act()
    finally:
        connections.close_all()


def root() -> Caller:
    """Return the superuser."""
    return Caller(User.objects.get(username="root"))
