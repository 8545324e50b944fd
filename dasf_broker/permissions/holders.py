"""Which users hold a right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
)
from dasf_broker.permissions.rights import Right
from dasf_broker.permissions.rows import content_type, held_rights
from dasf_broker.sql.compiled import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def users_with(topic: BrokerTopic, right: Right) -> QuerySet[User]:
    """Return the active users who hold the right on the topic, superusers not counted."""
    ways = [way.order_by() for given in _given_by(topic, right) for way in _ways(*given)]
    # A union and no alternatives, for which a database looks at every user there is.
    return _people().filter(pk__in=ways[0].union(*ways[1:]))


def consumers_by_topic(topics: Collection[BrokerTopic]) -> dict[int, set[Any]]:
    """Return the primary keys of the present consumers of each topic. One query."""
    ids = [topic.pk for topic in topics]
    return _by_topic(ids, _consumers(ids, content_type().pk))


def producers_by_topic(topics: Collection[BrokerTopic]) -> dict[int, set[Any]]:
    """Return the primary keys of who may publish to each topic, as :func:`users_with` does.

    One query, and another one where there are response topics.
    """
    producers = _holders_by_topic([topic.pk for topic in topics], Right.PRODUCE)
    sources = {topic.pk: topic.source_topic_id for topic in topics if topic.source_topic_id}
    consumers = _holders_by_topic(set(sources.values()), Right.CONSUME) if sources else {}
    for topic_id, source in sources.items():
        producers[topic_id] |= consumers[source]
    return producers


def holder_names(
    wanted: Collection[tuple[BrokerTopic, Right]],
) -> dict[tuple[BrokerTopic, Right], set[str]]:
    """Return the names of who holds each right on its topic, as :func:`users_with` does.

    One query for all.

    Parameters
    ----------
    wanted
        Topics loaded with their response info, each with a right.
    """
    asked = {each for topic, right in wanted for each in _given_by(topic, right)}
    held: dict[tuple[int | None, str], set[str]] = defaultdict(set)
    rows = held_rights(
        _people(),
        {topic_id for topic_id, _ in asked},
        {right for _, right in asked},
        column=get_user_model().USERNAME_FIELD,
    )
    for name, topic_id, codename in rows:
        held[topic_id, codename].add(name)

    return {
        (topic, right): {
            name
            for topic_id, given in _given_by(topic, right)
            for where in (topic_id, None)
            for name in held.get((where, given), ())
        }
        for topic, right in wanted
    }


def _given_by(topic: BrokerTopic, right: Right) -> Iterator[tuple[int, Right]]:
    """Yield the rights, each on a topic, any of which gives a right on a topic."""
    yield topic.pk, right
    if right is Right.PRODUCE and topic.source_topic_id is not None:
        yield topic.source_topic_id, Right.CONSUME


def _holders_by_topic(ids: Collection[int], right: Right) -> dict[int, set[Any]]:
    return _by_topic(ids, held_rights(_people(), ids, [right]))


@Selection
def _consumers(ids: Collection[int], everything: int) -> QuerySet[Any, Any]:
    return held_rights(_people(), ids, [Right.CONSUME], everything=everything)


def _by_topic(ids: Collection[int], rows: Iterable[Sequence[Any]]) -> dict[int, set[Any]]:
    on_topic: dict[int | None, set[Any]] = {topic_id: set() for topic_id in (*ids, None)}
    for user_id, topic_id, _ in rows:
        on_topic[topic_id].add(user_id)
    return {topic_id: on_topic[topic_id] | on_topic[None] for topic_id in ids}


def _people() -> QuerySet[User]:
    people = get_user_model()._default_manager
    return people.filter(is_active=True, is_superuser=False)


def _ways(topic_id: int, right: Right) -> Iterator[QuerySet[Any, Any]]:
    """Yield the primary keys of who holds a right, for each way in which one can."""
    people = get_user_model()._default_manager
    on_topic = {"content_object": topic_id, "permission__codename": right}
    groups = BrokerTopicGroupPermission.objects.filter(**on_topic).values("group")
    for_all = Permission.objects.filter(content_type=content_type(), codename=right)
    yield BrokerTopicUserPermission.objects.filter(**on_topic).values("user")
    yield people.filter(groups__in=groups).values("pk")
    yield people.filter(user_permissions__in=for_all).values("pk")
    yield people.filter(groups__permissions__in=for_all).values("pk")
