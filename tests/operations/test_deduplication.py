"""Message ids are remembered after their message was removed, whatever removed it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dasf_broker.domain.events import Event
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import ConflictError
from dasf_broker.models import BrokerMessage, BrokerTopic, RememberedMessage
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage import deduplication
from dasf_broker.operations.storage.deduplication import MAX_MEMORY
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.operations.storage.settlement import settle_all
from dasf_broker.operations.topics import (
    TopicOptions,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.operations.upkeep import retention
from dasf_broker.operations.upkeep.schedule import Report
from dasf_broker.permissions import Right
from tests.conftest import MakeUser
from tests.operations.helpers import (
    ack,
    codes,
    housekeeping_round,
    publication,
    queries,
    send,
    send_many,
    stored,
)

ID = UUID("12345678-1234-5678-1234-567812345678")
PARTS: dict[str, Any] = {"message_id": ID, "data": {"celsius": 1e23}, "context": 1}


def by_ack(consumer: User) -> None:
    """Under ``cache``: the first acknowledgement."""
    ack(consumer, ID)


def by_last_ack(consumer: User) -> None:
    """Under ``cacheall``: everybody's."""
    _update(store_messages="cacheall")
    ack(consumer, ID)


def by_revoke(consumer: User) -> None:
    """Take the right from the last one who did not acknowledge."""
    other = _second_consumer()
    ack(consumer, ID)
    root = Caller(User.objects.create_superuser("root"))
    revoke_permission(root, "topic", Right.CONSUME, username=other.username, group=None)


def by_policy(consumer: User) -> None:
    """Let a stricter rule call it settled."""
    _update(store_messages="store")
    ack(consumer, ID)
    root = Caller(User.objects.create_superuser("root"))
    update_topic(root, "topic", TopicOptions(store_messages=StoragePolicy.CACHE))


def by_settling(consumer: User) -> None:
    """Housekeeping finds that nobody owes an acknowledgement."""
    other = _second_consumer()
    ack(consumer, ID)
    User.objects.filter(pk=other.pk).update(is_active=False)
    assert sum(settle_all()) == 1


def by_purge(consumer: User) -> None:
    """Thrown away."""
    assert purge_messages(BrokerTopic.objects.all()) == 1


def by_retention(consumer: User) -> None:
    """Too old."""
    _update(retention_age=1)
    assert sum(retention.remove_due(timezone.now() + timedelta(seconds=2))) == 1


REMOVALS = [by_ack, by_last_ack, by_revoke, by_policy, by_settling, by_purge, by_retention]


@pytest.mark.parametrize("remove", REMOVALS)
def test_each_removal_remembers(
    remove: Callable[[User], None],
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """The same message again is answered with the first one, and delivered to nobody."""
    first = send(producer, **PARTS)
    remove(consumer)
    assert stored(topic) == []
    announced.clear()
    with django_capture_on_commit_callbacks(execute=True):
        again = send(producer, **PARTS)
    assert (again.status.value, again.message) == ("DUPLICATE", first.message)
    assert stored(topic) == []
    assert announced == []


@pytest.mark.parametrize("remove", REMOVALS)
def test_no_removal_loads_what_it_removes(
    remove: Callable[[User], None], topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """The content of a message may be a megabyte."""
    send(producer, **PARTS)
    with CaptureQueriesContext(connection) as captured:
        remove(consumer)
    # Its own column of that table, not the one of who holds which right on a topic.
    assert not [each for each in captured.captured_queries if 'message"."content"' in each["sql"]]


def test_a_remembered_id_is_taken(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """By that very message: another body, or another user, is refused."""
    send(producer, **PARTS)
    ack(consumer, ID)
    other = make_user("other", topic, Right.PRODUCE)
    for user, parts in ((producer, {"data": 1}), (producer, {"context": 2}), (other, {})):
        with pytest.raises(ConflictError, match=str(ID)):
            send(user, **(PARTS | parts))
    assert stored(topic) == []
    assert send(producer).message.sequence == 2


@pytest.mark.parametrize("seconds", [60.0, 24 * 60 * 60.0, float("inf")])
def test_ids_are_forgotten_in_time(
    seconds: float, topic: BrokerTopic, producer: User, consumer: User, settings: Settings
) -> None:
    """Not before; afterwards the message is a new one."""
    settings.DASF_MESSAGE_ID_MEMORY = seconds
    first = send(producer, **PARTS)
    ack(consumer, ID)
    over = timezone.now() + timedelta(seconds=min(seconds, MAX_MEMORY))
    assert housekeeping_round(over - timedelta(seconds=30)).forgotten == 0
    assert send(producer, **PARTS).status.value == "DUPLICATE"
    assert housekeeping_round(over + timedelta(seconds=1)) == Report(pinged=1, forgotten=1)
    again = send(producer, **PARTS)
    assert (again.status.value, again.message.sequence) == ("STORED", 2)
    assert again.message.message_id == first.message.message_id


def test_ids_are_forgotten_in_small_steps(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are."""
    monkeypatch.setattr(deduplication, "STEP", 2)
    send_many(producer, 5)
    purge_messages([topic])
    later = timezone.now() + timedelta(days=2)
    assert deduplication.count_due(later) == 5
    assert list(deduplication.forget_due(later)) == [2, 2, 1]
    assert not RememberedMessage.objects.exists()


def test_a_topic_is_forgotten_as_a_whole(topic: BrokerTopic, producer: User) -> None:
    """Its namesake is another topic."""
    send(producer, **PARTS)
    purge_messages([topic])
    topic.delete()
    assert not RememberedMessage.objects.exists()
    BrokerTopic.objects.create(slug="topic", is_public=True)
    assert send(producer, **PARTS).status.value == "STORED"


def test_nothing_is_remembered_of_what_is_not_stored(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Neither what was published there, nor what was when it was."""
    send(producer, **PARTS)
    ack(consumer, ID)
    _update(store_messages="disabled")
    batch = [publication(producer, **PARTS), publication(producer, **PARTS)]
    assert codes(publish_batch(batch)) == ["SENT", "SENT"]


def test_the_memory_outlives_the_producer(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Who comes after them is somebody else."""
    send(producer, **PARTS)
    ack(consumer, ID)
    producer.delete()
    with pytest.raises(ConflictError):
        send(make_user("next", topic, Right.PRODUCE), **PARTS)


@pytest.mark.parametrize(("text", "code"), [("a", "DUPLICATE"), ("b", "CONFLICT")])
def test_rows_of_an_older_release(text: str, code: str, topic: BrokerTopic, producer: User) -> None:
    """Stored by a server that knew no fingerprints: their content is compared."""
    send(producer, message_id=ID, text="a")
    BrokerMessage.objects.update(fingerprint="")
    again = publication(producer, message_id=ID, text=text)
    assert codes(publish_batch([again])) == [code]


def test_an_id_that_an_older_release_used_again(topic: BrokerTopic, producer: User) -> None:
    """Such a server looks at no memory; what it stored can be removed all the same."""
    send(producer, **PARTS)
    purge_messages([topic])
    row = {"topic": topic, "message_id": ID, "content": {}, "message_type": "info"}
    BrokerMessage.objects.create(sequence=2, **row)
    assert purge_messages([topic]) == 1
    assert RememberedMessage.objects.get().sequence == 2


def test_queries(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Topics and rights, the lock, what is known, insert, the topics' sequences: six, always."""
    again = [publication(producer, **PARTS), publication(producer, **PARTS)]
    assert queries(lambda: publish_batch([publication(producer) for _ in range(20)])) == 6
    publish_batch(again)
    assert queries(lambda: publish_batch(again)) == 4  # nothing is written
    ack(consumer, ID)
    assert queries(lambda: publish_batch([*again, publication(producer)])) == 6


def _second_consumer() -> User:
    """Make one of a topic under ``cacheall``."""
    _update(store_messages="cacheall")
    other = User.objects.create_user("second")
    root = Caller(User.objects.create_superuser("admin"))
    grant_permission(root, "topic", Right.CONSUME, username="second", group=None)
    return other


def _update(**fields: Any) -> None:
    BrokerTopic.objects.update(**fields)
