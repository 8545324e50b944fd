"""The rows of response topics: many of them by a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import NOT_PROVIDED, Q
from django.db.models.signals import ModelSignal, post_save, pre_save

from dasf_broker import clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.storage.lock import free_in_order
from dasf_broker.permissions import Right, grant_each
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.sql.bulk_insert import BulkInsert

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: How long a response topic is kept from the last request that named it, and from the last time
#: that a server wrote that it has consumers.
KEPT = timedelta(hours=24)

#: How often, at most, requests and consumers put the removal of their response topic off.
KEPT_STEP = timedelta(hours=1)

#: Topics whose removal is put off in one write.
STEP = 500


def insert_response_topics(wanted: Iterable[tuple[str, BrokerTopic, User | None]]) -> None:
    """Write new response topics, and let their owners consume them.

    Parameters
    ----------
    wanted
        For each its slug, the topic whose requests it answers, and its owner.

    Raises
    ------
    IntegrityError
        A slug is taken.
    """
    now = clock.now()
    owners: list[tuple[User, BrokerTopic]] = []
    topics: list[ResponseTopic] = []
    for slug, source, owner in wanted:
        topic = ResponseTopic(
            slug=slug,
            is_response_for=source,
            garbage_collect_on=now + KEPT,
            date_created=now,
            size=0,
        )
        topics.append(topic)
        if owner is not None:
            owners.append((owner, topic))
    # Django sends these for each saved object, but not for rows that are inserted together.
    _send(pre_save, topics)
    _insert(topics)
    grant_each(Right.CONSUME, owners)
    _send(post_save, topics, created=True)
    announce_on_commit([TopicAppeared(topic_slug=topic.slug) for topic in topics])


def put_off_removal(topics: Collection[BrokerTopic], now: datetime) -> None:
    """Keep topics that are marked for removal for ``KEPT`` from now, if that is a step later."""
    wrong = [topic for topic in topics if _is_marked_otherwise(topic, now, KEPT_STEP)]
    due = now + KEPT
    if wrong:
        BrokerTopic.objects.filter(pk__in={topic.pk for topic in wrong}).update(
            garbage_collect_on=due
        )
    for topic in wrong:
        topic.garbage_collect_on = due


def may_be_put_off(topic: BrokerTopic, now: datetime) -> bool:
    """Tell whether :func:`put_off_removal` writes the topic now or a little later."""
    return _is_marked_otherwise(topic, now, KEPT_STEP / 2)


def _is_marked_otherwise(topic: BrokerTopic, now: datetime, step: timedelta) -> bool:
    mark = topic.garbage_collect_on
    return mark is not None and abs(mark - now - KEPT) > step


@retried
def keep_listened(topic_ids: Sequence[int]) -> None:
    """Put the removal of response topics off that have consumers in this process.

    Their marks are moved ahead again and again, and never taken away: the marks of a server that
    was killed come due. Other topics are left as they are.
    """
    now = clock.now()
    for first in range(0, len(topic_ids), STEP):
        with primary.atomic():
            # One that another transaction has locked waits for the next time, which is soon enough.
            free = free_in_order(topic_ids[first : first + STEP])
            marked = BrokerTopic.objects.filter(pk__in=free)
            marked.filter(has_wrong_mark(now)).update(garbage_collect_on=now + KEPT)


def count_not_kept(topic_ids: Sequence[int]) -> int:
    """Return how many of the topics :func:`keep_listened` would write."""
    wrong, now = 0, clock.now()
    for first in range(0, len(topic_ids), STEP):
        topics = BrokerTopic.objects.filter(pk__in=topic_ids[first : first + STEP])
        wrong += topics.filter(has_wrong_mark(now)).count()
    return wrong


def has_wrong_mark(now: datetime) -> Q:
    """Return the condition of response topics whose mark is not ``KEPT`` from now, but for a step.

    It is due too soon, a clock that was ahead has set it, or there is none.
    """
    due = now + KEPT
    right = Q(garbage_collect_on__range=(due - KEPT_STEP, due + KEPT_STEP))
    missing = Q(garbage_collect_on__isnull=True)
    return Q(responsetopic__isnull=False) & (missing | ~right)


def _insert(topics: Sequence[ResponseTopic]) -> None:
    _insert_topics([[getattr(topic, column) for column in _COLUMNS] for topic in topics])
    rows = BrokerTopic.objects.filter(slug__in=[topic.slug for topic in topics]).order_by()
    keys = dict(rows.values_list("slug", "pk"))
    for topic in topics:
        topic.id = topic.pk = keys[topic.slug]
        topic._state.adding, topic._state.db = False, primary.alias()
    _insert_sources([(topic.pk, topic.is_response_for_id) for topic in topics])


#: All but the key, and what the database fills in.
_COLUMNS = tuple(
    column.attname
    for column in BrokerTopic._meta.concrete_fields
    if not column.primary_key and (column.db_default is NOT_PROVIDED or column.has_default())
)
_insert_topics = BulkInsert(BrokerTopic, *_COLUMNS)
_insert_sources = BulkInsert(ResponseTopic, "brokertopic_ptr_id", "is_response_for_id")


def _send(signal: ModelSignal, topics: Iterable[ResponseTopic], **facts: Any) -> None:
    if signal.has_listeners(ResponseTopic):
        using = primary.alias()
        for topic in topics:
            signal.send(
                ResponseTopic, instance=topic, raw=False, using=using, update_fields=None, **facts
            )
