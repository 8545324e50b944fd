"""The topics that a user may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import BigIntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet, ResponseTopic
from dasf_broker.models.rights import content_type, rights_on_topics
from dasf_broker.permissions.lookup import holds_any_globally
from dasf_broker.permissions.rights import SEEING, Right

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The most rights on topics for which each of the topics is read by itself.
FEW = 2000


def topics_visible_to(user: User) -> BrokerTopicQuerySet:
    """Return the topics that the user may see."""
    topics: BrokerTopicQuerySet = BrokerTopic.objects.all()
    if user.is_superuser and user.is_active:
        return topics
    public = Q(is_public=True)
    if not user.is_active:
        return topics.filter(public)
    if holds_any_globally(user, SEEING):
        return topics
    return topics.filter(
        public
        | _held_by(user, "pk", SEEING)
        | _held_by(user, "responsetopic__is_response_for", [Right.CONSUME])
    )


def few_visible_to(user: User) -> set[int] | None:
    """Return the primary keys of the topics on which the user holds rights, if these are few.

    One query. Public topics are not counted; a user who sees all topics does not see few.
    """
    if user.is_superuser and user.is_active:
        return None
    if not user.is_active:
        return set()
    people = get_user_model()._default_manager.filter(pk=user.pk).order_by()
    everywhere = Cast(Value(None), BigIntegerField())
    parts: list[QuerySet[Any]] = []
    for path in ("user_permissions", "groups__permissions"):
        seeing = {f"{path}__content_type": content_type(), f"{path}__codename__in": SEEING}
        parts.append(people.filter(**seeing).values_list(everywhere))
    parts += [rows.values_list("content_object") for rows in rights_on_topics(user, SEEING)]
    for rows in rights_on_topics(user, [Right.CONSUME]):
        answers = ResponseTopic.objects.filter(is_response_for__in=rows.values("content_object"))
        parts.append(answers.order_by().values_list("pk"))
    found = [topic_id for (topic_id,) in parts[0].union(*parts[1:], all=True)[: FEW + 1]]
    return None if len(found) > FEW or None in found else set(found)


def _held_by(user: User, topic: str, rights: Collection[Right]) -> Q:
    own, of_groups = rights_on_topics(user, rights)
    return Q(**{f"{topic}__in": own.values("content_object")}) | Q(
        **{f"{topic}__in": of_groups.values("content_object")}
    )
