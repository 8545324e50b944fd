"""Who may do what with which topic.

Three questions are answered: may this user (:func:`rights`, :func:`rights_table`), which topics
(:func:`topics_visible_to`), which users (:func:`users_with`). A right is held on a topic or for
all topics, by a user or by a group. Produce on a response topic is also held, without a row of
its own, by who may consume the topic whose requests are answered there.

The codenames live on ``BrokerTopic``, for response topics too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import BigIntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast
from guardian.utils import get_anonymous_user

from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicQuerySet,
    BrokerTopicUserPermission,
    ResponseTopic,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Right(StrEnum):
    """The rights that can be held on a topic, by codename."""

    PRODUCE = "can_produce"
    CONSUME = "can_consume"
    VIEW_STATUS = "can_view_status"
    VIEW = "view_brokertopic"
    CHANGE = "change_brokertopic"
    DELETE = "delete_brokertopic"
    ADD = "add_brokertopic"


#: What whoever creates a topic gets on it. Not CONSUME: under ``cacheall`` every consumer keeps
#: messages until they acknowledge, and a creator is seldom one.
CREATOR_RIGHTS = (Right.PRODUCE, Right.VIEW_STATUS, Right.CHANGE, Right.DELETE)

#: Any of these makes a topic visible.
SEEING = frozenset(Right) - {Right.ADD}

#: Rights on topics that are few enough to look at each of the topics.
FEW = 2000


@dataclass(frozen=True, slots=True)
class TopicRights:
    """What one user may do with one topic."""

    held: frozenset[str]
    is_public: bool
    is_superuser: bool = False

    def has(self, right: Right) -> bool:
        """Tell whether the user holds the right, on this topic or on all."""
        return self.is_superuser or right in self.held

    @property
    def is_visible(self) -> bool:
        """Whether the user may know that the topic exists, and its status."""
        return self.is_superuser or self.is_public or not self.held.isdisjoint(SEEING)

    @property
    def may_produce(self) -> bool:
        """Whether the user may publish messages."""
        return self.is_public or self.has(Right.PRODUCE)

    @property
    def may_consume(self) -> bool:
        """Whether the user may read and acknowledge messages."""
        return self.has(Right.CONSUME)

    @property
    def may_ping(self) -> bool:
        """Whether the user may ask the consumers to answer."""
        return self.may_produce

    @property
    def may_pong(self) -> bool:
        """Whether the user may answer pings: consumers do."""
        return self.may_consume

    @property
    def may_change(self) -> bool:
        """Whether the user manages the topic."""
        return self.has(Right.CHANGE)

    @property
    def may_delete(self) -> bool:
        """Whether the user may delete the topic."""
        return self.has(Right.DELETE)


#: Rights by primary keys of user and topic.
RightsTable = Mapping[tuple[Any, int], TopicRights]


# --- May this user? ---------------------------------------------------------------------------


def known_user(user: User | AnonymousUser | None) -> User:
    """Return the row that holds the rights: guardian's anonymous user for nobody."""
    if user is None or not user.is_authenticated:
        nobody: User = get_anonymous_user()
        return nobody
    return user


def rights(user: User, topic: BrokerTopic) -> TopicRights:
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
        people = get_user_model()._default_manager.filter(pk__in=plain)
        for user_id, topic_id, codename in _held_rights(people, {*topics, *sources}):
            held[user_id, topic_id].add(codename)
    return {
        (user.pk, topic.pk): TopicRights(
            held=_on_topic(held, user.pk, topic),
            is_public=topic.is_public,
            is_superuser=user.is_superuser and user.is_active,
        )
        for user, topic in pairs
    }


def holds_globally(user: User, right: Right) -> bool:
    """Tell whether the user holds the right for all topics. One query."""
    if not user.is_active:
        return False
    return user.is_superuser or _holds_any_globally(user, [right])


def _holds_any_globally(user: User, rights: Collection[Right]) -> bool:
    # From the side of the user: there may be many who hold a right globally.
    people = get_user_model()._default_manager.filter(pk=user.pk)
    return any(True for _ in _held_rights(people, (), rights))


def _on_topic(
    held: Mapping[tuple[Any, int | None], set[str]], user_id: Any, topic: BrokerTopic
) -> frozenset[str]:
    everywhere = held.get((user_id, None), set())
    own = held.get((user_id, topic.pk), set()) | everywhere
    source = topic.source_topic_id
    if source is not None and Right.CONSUME in held.get((user_id, source), set()) | everywhere:
        own = own | {Right.PRODUCE}
    return frozenset(own)


def _held_rights(
    people: QuerySet[User],
    topics: Collection[int],
    rights: Collection[Right] | None = None,
    *,
    column: str = "pk",
) -> Iterator[tuple[Any, int | None, str]]:
    # From the side of the user, because `groups` is the one name that every user model has.
    people = people.order_by()
    everywhere = Cast(Value(None), BigIntegerField())
    own, group = "brokertopicuserpermission", "groups__brokertopicgrouppermission"

    def these(codename: str) -> dict[str, Any]:
        return {} if rights is None else {f"{codename}__in": rights}

    parts = [
        people.filter(
            **{f"{path}__content_object__in": topics}, **these(f"{path}__permission__codename")
        ).values_list(column, f"{path}__content_object", f"{path}__permission__codename")
        for path in (own, group)
    ] + [
        people.filter(
            **{f"{path}__content_type": _content_type()}, **these(f"{path}__codename")
        ).values_list(column, everywhere, f"{path}__codename")
        for path in ("user_permissions", "groups__permissions")
    ]
    return parts[0].union(*parts[1:], all=True).iterator()


# --- Which topics? ----------------------------------------------------------------------------


def topics_visible_to(user: User) -> BrokerTopicQuerySet:
    """Return the topics that the user may see."""
    topics: BrokerTopicQuerySet = BrokerTopic.objects.all()
    if user.is_superuser and user.is_active:
        return topics
    public = Q(is_public=True)
    if not user.is_active:
        return topics.filter(public)
    if _holds_any_globally(user, SEEING):
        return topics
    return topics.filter(
        public
        | _held_by(user, "pk", SEEING)
        | _held_by(user, "responsetopic__is_response_for", [Right.CONSUME])
    )


def few_visible_to(user: User) -> set[int] | None:
    """Return the primary keys of the topics on which the user holds rights, if these are few.

    One query. Public topics are not counted; whoever sees all topics does not see few.
    """
    if user.is_superuser and user.is_active:
        return None
    if not user.is_active:
        return set()
    people = get_user_model()._default_manager.filter(pk=user.pk).order_by()
    everywhere = Cast(Value(None), BigIntegerField())
    parts: list[QuerySet[Any]] = []
    for path in ("user_permissions", "groups__permissions"):
        seeing = {f"{path}__content_type": _content_type(), f"{path}__codename__in": SEEING}
        parts.append(people.filter(**seeing).values_list(everywhere))
    parts += [rows.values_list("content_object") for rows in _rights_on_topics(user, SEEING)]
    for rows in _rights_on_topics(user, [Right.CONSUME]):
        answers = ResponseTopic.objects.filter(is_response_for__in=rows.values("content_object"))
        parts.append(answers.order_by().values_list("pk"))
    found = [topic_id for (topic_id,) in parts[0].union(*parts[1:], all=True)[: FEW + 1]]
    return None if len(found) > FEW or None in found else set(found)


def _held_by(user: User, topic: str, rights: Collection[Right]) -> Q:
    own, of_groups = _rights_on_topics(user, rights)
    return Q(**{f"{topic}__in": own.values("content_object")}) | Q(
        **{f"{topic}__in": of_groups.values("content_object")}
    )


def _rights_on_topics(user: User, rights: Collection[Right]) -> tuple[QuerySet[Any], QuerySet[Any]]:
    on_any = {"permission__codename__in": rights}
    own = BrokerTopicUserPermission.objects.filter(user=user, **on_any)
    of_groups = BrokerTopicGroupPermission.objects.filter(group__in=user.groups.all(), **on_any)
    return own, of_groups


# --- Which users? -----------------------------------------------------------------------------


def users_with(topic: BrokerTopic, right: Right) -> QuerySet[User]:
    """Return the active users who hold the right on the topic, superusers not counted."""
    holders = _holders([topic.pk], right)
    if right is Right.PRODUCE and topic.source_topic_id is not None:
        holders |= _holders([topic.source_topic_id], Right.CONSUME)
    return _people().filter(holders)


def consumers_by_topic(topics: Collection[BrokerTopic]) -> dict[int, set[Any]]:
    """Return the primary keys of the present consumers of each topic. One query."""
    return _holders_by_topic([topic.pk for topic in topics], Right.CONSUME)


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
    rows = _held_rights(
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
    on_topic: dict[int | None, set[Any]] = {topic_id: set() for topic_id in (*ids, None)}
    for user_id, topic_id, _ in _held_rights(_people(), ids, [right]):
        on_topic[topic_id].add(user_id)
    return {topic_id: on_topic[topic_id] | on_topic[None] for topic_id in ids}


def _people() -> QuerySet[User]:
    people = get_user_model()._default_manager
    return people.filter(is_active=True, is_superuser=False)


def _holders(topics: Collection[int], right: Right) -> Q:
    on_topic = {"content_object__in": topics, "permission__codename": right}
    own = BrokerTopicUserPermission.objects.filter(**on_topic).values("user")
    groups = BrokerTopicGroupPermission.objects.filter(**on_topic).values("group")
    in_groups = get_user_model()._default_manager.filter(groups__in=groups).values("pk")
    return Q(pk__in=own) | Q(pk__in=in_groups) | Q(pk__in=_global_holders([right]))


def _global_holders(rights: Collection[Right]) -> QuerySet[Any]:
    permissions = Permission.objects.filter(content_type=_content_type(), codename__in=rights)
    people = get_user_model()._default_manager
    own = people.filter(user_permissions__in=permissions).values("pk")
    in_groups = people.filter(groups__permissions__in=permissions).values("pk")
    return people.filter(Q(pk__in=own) | Q(pk__in=in_groups)).values("pk")


# --- Give and take ----------------------------------------------------------------------------


def grant(holder: User | Group, topic: BrokerTopic, *granted: Right) -> None:
    """Give a user or a group rights on a topic; what they hold already stays."""
    table, owner = _table(holder)
    permissions = Permission.objects.filter(content_type=_content_type(), codename__in=granted)
    table.objects.bulk_create(
        [
            table(**owner, content_object_id=topic.pk, permission=permission)
            for permission in permissions
        ],
        ignore_conflicts=True,
    )


def revoke(holder: User | Group, topic: BrokerTopic, right: Right) -> None:
    """Take a right on a topic from a user or a group; nothing happens where they hold none."""
    table, owner = _table(holder)
    table.objects.filter(**owner, content_object_id=topic.pk, permission__codename=right).delete()


def _table(holder: User | Group) -> tuple[Any, dict[str, Any]]:
    if isinstance(holder, Group):
        return BrokerTopicGroupPermission, {"group": holder}
    return BrokerTopicUserPermission, {"user": holder}


def _content_type() -> ContentType:
    return ContentType.objects.get_for_model(BrokerTopic)
