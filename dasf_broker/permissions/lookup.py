"""The rights of users on topics, read in one query.

The flags of a user (``is_active``, ``is_superuser``) are read with their rights, each time: the row
that identified a caller is as old as the caller's connection, and decides nothing here. Only its
primary key is used. A user without a primary key is the server itself, which has all rights; an
anonymous caller without a row (``NOBODY``) holds none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from dasf_broker import primary
from dasf_broker.models import BrokerTopic
from dasf_broker.models.rights import (
    SUPERUSER,
    active_users,
    content_type,
    flags_are_computed,
    held_rights,
)
from dasf_broker.permissions.anonymous import NOBODY
from dasf_broker.permissions.rights import Right, RightsTable, TopicRights
from dasf_broker.sql.compiled import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: The keys of callers about whom the database says nothing.
_WITHOUT_ROWS = frozenset({None, NOBODY})


@dataclass(frozen=True, slots=True)
class GlobalRights:
    """What a user may do with all topics."""

    held: frozenset[str]
    is_superuser: bool = False

    def has_any(self, rights: Iterable[Right]) -> bool:
        """Tell whether the user holds one of the rights for all topics."""
        return self.is_superuser or not self.held.isdisjoint(rights)


def rights_on(user: User, topic: BrokerTopic) -> TopicRights:
    """Return what the user may do with the topic. One query."""
    return rights_of([(user.pk, topic)])[user.pk, topic.pk]


def rights_table(users: Iterable[User], topics: Iterable[BrokerTopic]) -> RightsTable:
    """Return what each of the users may do with each of the topics. One query for all.

    Parameters
    ----------
    users
        Rows of the user model; inactive ones hold nothing.
    topics
        Topics loaded with their response info.
    """
    return rights_of([*product([user.pk for user in users], topics)])


def rights_of(pairs: Collection[tuple[Any, BrokerTopic]]) -> RightsTable:
    """Return what the user of each pair may do with its topic. One query for all.

    Parameters
    ----------
    pairs
        Each the primary key of a user (``None`` for the server itself, ``NOBODY`` for an anonymous
        caller without a row) and a topic, loaded with its response info.
    """
    topics = {topic.pk: topic for _, topic in pairs}
    sources = {topic.source_topic_id or topic.pk for topic in topics.values()}
    held: dict[tuple[Any, int | None], set[str]] = defaultdict(set)
    if users := {user_id for user_id, _ in pairs} - _WITHOUT_ROWS:
        for user_id, topic_id, codename in _read(users, {*topics, *sources}):
            held[user_id, topic_id].add(codename)
    return {
        (user_id, topic.pk): TopicRights(
            held=_on_topic(held, user_id, topic),
            is_public=topic.is_public,
            is_superuser=user_id is None or SUPERUSER in held.get((user_id, None), ()),
        )
        for user_id, topic in pairs
    }


def equalize_timing(user_ids: Iterable[Any]) -> None:
    """Read rights on no topic, with as many queries as :func:`rights_of` and as much time.

    Then the time of an answer does not tell a missing topic from a hidden one.
    """
    if users := {*user_ids} - _WITHOUT_ROWS:
        _read(users, {0})


def global_rights_of(user: User) -> GlobalRights:
    """Return what the user may do with all topics. One query."""
    key: Any = user.pk
    if key is None:
        return GlobalRights(frozenset(), is_superuser=True)
    if key is NOBODY:
        return GlobalRights(frozenset())
    # From the side of the user: many users may hold a right globally. There is no topic 0.
    held = {codename for _, _, codename in _read({key}, {0})}
    return GlobalRights(frozenset(held - {SUPERUSER}), is_superuser=SUPERUSER in held)


def holds_globally(user: User, right: Right) -> bool:
    """Tell whether the user holds the right for all topics. One query."""
    return global_rights_of(user).has_any([right])


@primary.reads()
def present_user(user: User) -> User | None:
    """Return the row of a user as it is now; ``None`` if it was deleted. One query."""
    key: Any = user.pk
    if key in _WITHOUT_ROWS:
        return user if key is None else None
    return get_user_model()._default_manager.filter(pk=key).first()


def _read(users: Collection[Any], topics: Collection[int]) -> Iterable[tuple[Any, Any, str]]:
    rows = _held(users, topics, content_type().pk)
    return _with_computed_flags(users, rows) if flags_are_computed() else rows


@Selection
def _held(users: Collection[Any], topics: Collection[int], kind: int) -> QuerySet[Any, Any]:
    return held_rights(active_users(users), topics, kind=kind, with_superusers=True)


def _with_computed_flags(
    users: Collection[Any], rows: Iterable[tuple[Any, Any, str]]
) -> Iterator[tuple[Any, Any, str]]:
    with primary.reads():
        people = get_user_model()._default_manager.in_bulk([*users])
    active = {pk: user for pk, user in people.items() if user.is_active}
    yield from (row for row in rows if row[0] in active)
    for pk, user in active.items():
        if getattr(user, "is_superuser", False):
            yield pk, None, SUPERUSER


def _on_topic(
    held: Mapping[tuple[Any, int | None], set[str]], user_id: Any, topic: BrokerTopic
) -> frozenset[str]:
    everywhere = held.get((user_id, None), set()) - {SUPERUSER}
    own = held.get((user_id, topic.pk), set()) | everywhere
    source = topic.source_topic_id
    if source is not None and Right.CONSUME in held.get((user_id, source), set()) | everywhere:
        own = own | {Right.PRODUCE}
    return frozenset(own)
