"""The rights of users on topics, read in one query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from guardian.utils import get_anonymous_user

from dasf_broker.models import BrokerTopic
from dasf_broker.models.rights import content_type, held_rights
from dasf_broker.permissions.rights import Right, RightsTable, TopicRights
from dasf_broker.sql.compiled import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def user_or_anonymous(user: User | AnonymousUser | None) -> User:
    """Return the row that holds the rights: guardian's anonymous user for anonymous callers."""
    if user is None or not user.is_authenticated:
        anonymous: User = get_anonymous_user()
        return anonymous
    return user


def rights_on(user: User, topic: BrokerTopic) -> TopicRights:
    """Return what the user may do with the topic. One query."""
    return rights_table([user], [topic])[user.pk, topic.pk]


def rights_table(users: Iterable[User], topics: Iterable[BrokerTopic]) -> RightsTable:
    """Return what each of the users may do with each of the topics. One query for all.

    Parameters
    ----------
    users
        Rows of the user model; inactive ones hold nothing.
    topics
        Topics loaded with their response info.
    """
    return rights_of([*product(users, topics)])


def rights_of(pairs: Collection[tuple[User, BrokerTopic]]) -> RightsTable:
    """Return what the user of each pair may do with its topic. One query for all.

    Parameters
    ----------
    pairs
        As for :func:`rights_table`.
    """
    users = {user.pk: user for user, _ in pairs}
    topics = {topic.pk: topic for _, topic in pairs}
    sources = {topic.source_topic_id or topic.pk for topic in topics.values()}
    held: dict[tuple[Any, int | None], set[str]] = defaultdict(set)
    plain = [pk for pk, user in users.items() if user.is_active and not user.is_superuser]
    if plain:
        rows = _held(plain, {*topics, *sources}, content_type().pk)
        for user_id, topic_id, codename in rows:
            held[user_id, topic_id].add(codename)
    return {
        (user.pk, topic.pk): TopicRights(
            held=_on_topic(held, user.pk, topic),
            is_public=topic.is_public,
            is_superuser=user.is_superuser and user.is_active,
        )
        for user, topic in pairs
    }


def equalize_timing(users: Iterable[User]) -> None:
    """Read rights on no topic, with as many queries as :func:`rights_of` and as much time.

    Then the time of an answer does not tell a missing topic from a hidden one.
    """
    if plain := [user.pk for user in users if user.is_active and not user.is_superuser]:
        _held(plain, {0}, content_type().pk)


def holds_globally(user: User, right: Right) -> bool:
    """Tell whether the user holds the right for all topics. One query."""
    if not user.is_active:
        return False
    return user.is_superuser or holds_any_globally(user, [right])


def holds_any_globally(user: User, rights: Collection[Right]) -> bool:
    """Tell whether the user holds one of the rights for all topics. One query."""
    # From the side of the user: many users may hold a right globally.
    people = get_user_model()._default_manager.filter(pk=user.pk)
    return any(True for _ in held_rights(people, (), rights))


@Selection
def _held(users: Collection[Any], topics: Collection[int], kind: int) -> QuerySet[Any, Any]:
    people = get_user_model()._default_manager.filter(pk__in=users)
    return held_rights(people, topics, kind=kind)


def _on_topic(
    held: Mapping[tuple[Any, int | None], set[str]], user_id: Any, topic: BrokerTopic
) -> frozenset[str]:
    everywhere = held.get((user_id, None), set())
    own = held.get((user_id, topic.pk), set()) | everywhere
    source = topic.source_topic_id
    if source is not None and Right.CONSUME in held.get((user_id, source), set()) | everywhere:
        own = own | {Right.PRODUCE}
    return frozenset(own)
