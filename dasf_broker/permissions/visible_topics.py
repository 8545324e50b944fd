"""The topics that a user may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet, ResponseTopic
from dasf_broker.models.rights import (
    active_users,
    content_type,
    flags_are_computed,
    rights_on_topics,
    superusers,
)
from dasf_broker.permissions.anonymous import NOBODY
from dasf_broker.permissions.lookup import global_rights_of, present_user
from dasf_broker.permissions.rights import SEEING, Right

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The most rights on topics for which each of the topics is read by itself.
FEW = 2000


def topics_visible_to(user: User) -> BrokerTopicQuerySet:
    """Return the topics that the user may see."""
    topics: BrokerTopicQuerySet = BrokerTopic.objects.all()
    if global_rights_of(user).has_any(SEEING):
        return topics
    public = Q(is_public=True)
    if user.pk is NOBODY:
        return topics.filter(public)
    if flags_are_computed() and not _is_active(user):
        return topics.filter(public)
    return topics.filter(
        public
        | _held_by(user, "pk", SEEING)
        | _held_by(user, "responsetopic__is_response_for", [Right.CONSUME])
    )


def few_visible_to(user: User) -> set[int] | None:
    """Return the primary keys of the topics on which the user holds rights, if these are few.

    At most one query. Public topics are not counted; a user who sees all topics does not see few.
    """
    if user.pk is NOBODY:
        return set()
    if user.pk is None or flags_are_computed():
        return None
    people = active_users([user.pk]).order_by()
    everywhere = Cast(Value(None), BigIntegerField())
    parts: list[QuerySet[Any]] = []
    for path in ("user_permissions", "groups__permissions"):
        seeing = {f"{path}__content_type": content_type(), f"{path}__codename__in": SEEING}
        parts.append(people.filter(**seeing).values_list(everywhere))
    parts.append(superusers(people).values_list(everywhere))
    parts += [rows.values_list("content_object") for rows in rights_on_topics(user.pk, SEEING)]
    for rows in rights_on_topics(user.pk, [Right.CONSUME]):
        answers = ResponseTopic.objects.filter(is_response_for__in=rows.values("content_object"))
        parts.append(answers.order_by().values_list("pk"))
    found = [topic_id for (topic_id,) in parts[0].union(*parts[1:], all=True)[: FEW + 1]]
    return None if len(found) > FEW or None in found else set(found)


def _held_by(user: User, topic: str, rights: Collection[Right]) -> Q:
    own, of_groups = rights_on_topics(user.pk, rights)
    return Q(**{f"{topic}__in": own.values("content_object")}) | Q(
        **{f"{topic}__in": of_groups.values("content_object")}
    )


def _is_active(user: User) -> bool:
    present = present_user(user)
    return present is not None and present.is_active
