"""The users who hold a right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from dasf_broker import primary
from dasf_broker.models import BrokerTopic, rights
from dasf_broker.models.rights import content_type, given_by, held_rights, ordinary_users
from dasf_broker.permissions.rights import Right
from dasf_broker.sql.compiled import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def users_with(topic: BrokerTopic, right: Right) -> QuerySet[User]:
    """Return the active users who hold the right on the topic, superusers not counted."""
    return rights.users_with(topic, right)


def consumers_by_topic(topics: Collection[BrokerTopic]) -> dict[int, set[Any]]:
    """Return the primary keys of the present consumers of each topic. One query."""
    ids = [topic.pk for topic in topics]
    return _by_topic(ids, _consumers(ids, content_type().pk))


@primary.reads()
def producers_by_topic(topics: Collection[BrokerTopic]) -> dict[int, set[Any]]:
    """Return the primary keys of the users who may publish to each topic.

    As :func:`users_with` does. One query, and another one if there are response topics.
    """
    producers = _holders_by_topic([topic.pk for topic in topics], Right.PRODUCE)
    sources = {topic.pk: topic.source_topic_id for topic in topics if topic.source_topic_id}
    consumers = _holders_by_topic(set(sources.values()), Right.CONSUME) if sources else {}
    for topic_id, source in sources.items():
        producers[topic_id] |= consumers[source]
    return producers


@primary.reads()
def holder_names(
    wanted: Collection[tuple[BrokerTopic, Right]],
) -> dict[tuple[BrokerTopic, Right], set[str]]:
    """Return the names of the users who hold each right on its topic.

    As :func:`users_with` does. One query for all.

    Parameters
    ----------
    wanted
        Topics loaded with their response info, each with a right.
    """
    asked = {each for topic, right in wanted for each in given_by(topic, right)}
    held: dict[tuple[int | None, str], set[str]] = defaultdict(set)
    rows = held_rights(
        ordinary_users(),
        {topic_id for topic_id, _ in asked},
        {codename for _, codename in asked},
        column=get_user_model().USERNAME_FIELD,
    )
    for name, topic_id, codename in rows:
        held[topic_id, codename].add(name)

    return {
        (topic, right): {
            name
            for topic_id, codename in given_by(topic, right)
            for where in (topic_id, None)
            for name in held.get((where, codename), ())
        }
        for topic, right in wanted
    }


def _holders_by_topic(ids: Collection[int], right: Right) -> dict[int, set[Any]]:
    return _by_topic(ids, held_rights(ordinary_users(), ids, [right]))


@Selection
def _consumers(ids: Collection[int], kind: int) -> QuerySet[Any, Any]:
    return held_rights(ordinary_users(), ids, [Right.CONSUME], kind=kind)


def _by_topic(ids: Collection[int], rows: Iterable[Sequence[Any]]) -> dict[int, set[Any]]:
    on_topic: dict[int | None, set[Any]] = {topic_id: set() for topic_id in (*ids, None)}
    for user_id, topic_id, _ in rows:
        on_topic[topic_id].add(user_id)
    return {topic_id: on_topic[topic_id] | on_topic[None] for topic_id in ids}
