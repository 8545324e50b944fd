"""The rows of response topics: many of them by a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import NOT_PROVIDED
from django.db.models.signals import ModelSignal, post_save, pre_save
from django.utils import timezone

from dasf_broker import primary
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, grant_each
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.sql.bulk_insert import BulkInsert

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def insert_response_topics(
    wanted: Iterable[tuple[str, BrokerTopic, User | None]], due: datetime
) -> None:
    """Write new response topics, and let their owners consume them.

    Parameters
    ----------
    wanted
        For each its slug, the topic whose requests it answers, and its owner.
    due
        When they may be removed.

    Raises
    ------
    IntegrityError
        A slug is taken.
    """
    now = timezone.now()
    owners: list[tuple[User, BrokerTopic]] = []
    topics: list[ResponseTopic] = []
    for slug, source, owner in wanted:
        topic = ResponseTopic(
            slug=slug, is_response_for=source, garbage_collect_on=due, date_created=now, size=0
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


def put_off_removal(topics: Collection[BrokerTopic], due: datetime, step: timedelta) -> None:
    """Keep topics that are marked for removal until ``due``, if that is a step later than now."""
    early = [
        topic
        for topic in topics
        if topic.garbage_collect_on is not None and topic.garbage_collect_on < due - step
    ]
    if early:
        BrokerTopic.objects.filter(pk__in={topic.pk for topic in early}).update(
            garbage_collect_on=due
        )
    for topic in early:
        topic.garbage_collect_on = due


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
