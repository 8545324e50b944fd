"""What nobody asks for and must be done all the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.domain.events import TopicDeleted
from dasf_broker.domain.storage import StoragePolicy, is_settled
from dasf_broker.models import (
    Acknowledgement,
    ApiToken,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicQuerySet,
)
from dasf_broker.operations.auto_create import ANSWERS_KEPT
from dasf_broker.operations.storage.lock import lock_topic
from dasf_broker.operations.storage.removal import remove
from dasf_broker.permissions import consumers_by_topic
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.sql.compiled import Selection

#: Rows looked at in one transaction.
STEP = 500

#: How long a token is kept that no longer lets anybody in.
TOKENS_KEPT = timedelta(days=30)

Topics: TypeAlias = BrokerTopicQuerySet


def remove_settled(topics: Iterable[BrokerTopic]) -> int:
    """Remove the messages that nobody owes an acknowledgement any more.

    Needed when a right is taken away or a policy changes: an acknowledgement removes what it
    settles by itself.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(
        sum(_settling(topic)) for topic in topics if topic.storage_policy is not StoragePolicy.STORE
    )


def collect_garbage(topics: Topics | None = None, *, now: datetime | None = None) -> int:
    """Remove response topics that are due and have nothing outstanding.

    An answer that nobody took for ``ANSWERS_KEPT`` is not waited for any longer.

    Parameters
    ----------
    topics
        Only among these; without it among all.
    now
        The time that decides; without it the clock.

    Returns
    -------
    int
        How many topics were removed.
    """
    return sum(collecting(topics, now=now or timezone.now()))


def collecting(topics: Topics | None = None, *, now: datetime) -> Iterator[int]:
    """Do as :func:`collect_garbage`, and yield how many topics each step removed."""
    among: Topics = BrokerTopic.objects.all() if topics is None else topics
    due = among.filter(_is_garbage(now), responsetopic__isnull=False)
    for page in pages(due.with_response_info(), STEP):
        for topic in page:
            # One by one, so that a big topic is removed between other writes.
            yield _collect(topic, now)


def expire_tokens(now: datetime) -> int:
    """Remove tokens that have let nobody in for a month; return how many.

    They stay for a while so that people find out why their script was refused.
    """
    over = now - TOKENS_KEPT
    dead = ApiToken.objects.filter(Q(expires__lte=over) | Q(revoked__lte=over))
    removed, _ = dead.delete()
    return removed


def settle() -> int:
    """Remove the messages of all ``cacheall`` topics that nobody owes an acknowledgement.

    An acknowledgement does that by itself, and so does a right that is taken away here. It is
    needed when users are deleted, leave their groups, or lose rights elsewhere.

    Returns
    -------
    int
        How many messages were removed.
    """
    return sum(settling())


def settling() -> Iterator[int]:
    """Do as :func:`settle`, and yield how many messages each step removed."""
    acknowledged = Acknowledgement.objects.filter(message__topic=OuterRef("pk"))
    topics = BrokerTopic.objects.filter(Exists(acknowledged)).with_response_info()
    # One after the other: together, a database would sort all of them for each page.
    for rule in _followed_by_cacheall():
        for page in pages(topics.filter(rule), STEP):
            for topic in page:
                if topic.storage_policy is StoragePolicy.CACHEALL:
                    yield from _settling(topic)


def pages(topics: Topics, size: int) -> Iterator[list[BrokerTopic]]:
    """Yield topics in the order of their keys, some at a time, each once."""
    position = 0
    while page := list(topics.filter(pk__gt=position).order_by("pk")[:size]):
        position = page[-1].pk  # before they are deleted: a deleted row has no key
        yield page


def delete_with_answers(topic: BrokerTopic) -> None:
    """Delete a topic, its messages and its response topics; subscriptions to them end."""
    answers = list(topic.responsetopics.values_list("pk", "slug"))
    gone = [(topic.pk, topic.slug), *answers]
    with transaction.atomic():
        topic.delete()
        announce_on_commit([TopicDeleted(topic_id=pk, topic_slug=slug) for pk, slug in gone])


def delete_settled(
    topic: BrokerTopic,
    messages: Sequence[BrokerMessage],
    consumers: AbstractSet[Any],
    delivered: Mapping[int, AbstractSet[Any]],
) -> set[int]:
    """Remove those of the locked messages that the storage rule calls settled.

    Parameters
    ----------
    consumers
        Who may consume the topic now.
    delivered
        Who acknowledged each of the messages.

    Returns
    -------
    set
        The primary keys of the messages that were removed.
    """
    settled = [
        message
        for message in messages
        if is_settled(topic.storage_policy, delivered_to=delivered[message.pk], consumers=consumers)
    ]
    remove(settled)
    return {message.pk for message in settled}


def delivered_by_message(messages: Iterable[BrokerMessage]) -> dict[int, set[Any]]:
    """Return the primary keys of who acknowledged each of the messages. One query."""
    delivered: dict[int, set[Any]] = {message.pk: set() for message in messages}
    for message_id, user_id in _acknowledged([*delivered]):
        delivered[message_id].add(user_id)
    return delivered


@Selection
def _acknowledged(messages: Collection[int]) -> QuerySet[Acknowledgement, Any]:
    rows = Acknowledgement.objects.filter(message__in=messages)
    return rows.values_list("message_id", "user_id")


def _collect(topic: BrokerTopic, now: datetime) -> int:
    with transaction.atomic():
        # Looked at again under a lock: a consumer may have come back, or a message come in.
        lock_topic(topic)
        if not BrokerTopic.objects.filter(_is_garbage(now), pk=topic.pk).exists():
            return 0
        delete_with_answers(topic)
        return 1


def _is_garbage(now: datetime) -> Q:
    answers = BrokerMessage.objects.filter(topic=OuterRef("pk"), delivered_to__isnull=True)
    expected = answers.filter(date_created__gt=now - ANSWERS_KEPT)
    return Q(~Exists(expected), garbage_collect_on__lte=now)


def _followed_by_cacheall() -> Iterator[Q]:
    """Yield what is in the rows of topics that may be under ``cacheall``."""
    yield Q(store_messages=StoragePolicy.CACHEALL.value)
    defaults = app_settings.DASF_STORE_SOURCE_MESSAGES, app_settings.DASF_STORE_RESPONSE_MESSAGES
    if StoragePolicy.CACHEALL in defaults:  # which of them, Python asks the rule
        yield Q(store_messages__isnull=True)


def _settling(topic: BrokerTopic) -> Iterator[int]:
    position = 0
    while True:
        with transaction.atomic():
            # Locked before it is asked who may consume: whoever is given the right now, and
            # did not acknowledge yet, is waited for.
            lock_topic(topic)
            page = _acknowledged_after(topic, position)
            consumers = consumers_by_topic([topic])[topic.pk] if page else set()
            delivered = delivered_by_message(page)
            removed = len(delete_settled(topic, page, consumers, delivered))
        yield removed
        if len(page) < STEP:
            return
        position = page[-1].sequence


def _acknowledged_after(topic: BrokerTopic, position: int) -> list[BrokerMessage]:
    acknowledged = Acknowledgement.objects.filter(message__topic=topic).values("message")
    messages = topic.brokermessage_set.select_for_update().after(position)
    found = messages.filter(pk__in=acknowledged).order_by("sequence").defer("content")
    return list(found[:STEP])
