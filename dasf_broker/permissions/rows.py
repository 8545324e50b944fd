"""Where rights are written down: rows of users and groups, for one topic or for all."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import BigIntegerField, QuerySet, Value
from django.db.models.functions import Cast

from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
)
from dasf_broker.permissions.rights import Right

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def held_rights(
    people: QuerySet[User],
    topics: Collection[int],
    rights: Collection[Right] | None = None,
    *,
    column: str = "pk",
    everything: int | None = None,
) -> QuerySet[Any, tuple[Any, int | None, str]]:
    """Return who holds which right where: on one of the topics, or (``None``) on all. One query.

    Parameters
    ----------
    people
        Whose rights.
    topics
        Primary keys of the topics.
    rights
        Which; without it all.
    column
        What to return of the people.
    everything
        The content type of topics, for statements that are built only once.
    """
    # From the side of the user, because `groups` is the one name that every user model has.
    people = people.order_by()
    everywhere = Cast(Value(None), BigIntegerField())
    own, group = "brokertopicuserpermission", "groups__brokertopicgrouppermission"
    kind = content_type().pk if everything is None else everything

    def these(codename: str) -> dict[str, Any]:
        return {} if rights is None else {f"{codename}__in": rights}

    parts = [
        people.filter(
            **{f"{path}__content_object__in": topics}, **these(f"{path}__permission__codename")
        ).values_list(column, f"{path}__content_object", f"{path}__permission__codename")
        for path in (own, group)
    ] + [
        people.filter(**{f"{path}__content_type": kind}, **these(f"{path}__codename")).values_list(
            column, everywhere, f"{path}__codename"
        )
        for path in ("user_permissions", "groups__permissions")
    ]
    return parts[0].union(*parts[1:], all=True)


def rights_on_topics(user: User, rights: Collection[Right]) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return the user's own rows for single topics, and those of their groups."""
    on_any = {"permission__codename__in": rights}
    own = BrokerTopicUserPermission.objects.filter(user=user, **on_any)
    of_groups = BrokerTopicGroupPermission.objects.filter(group__in=user.groups.all(), **on_any)
    return own, of_groups


def content_type() -> ContentType:
    """Return what global rights on topics refer to."""
    return ContentType.objects.get_for_model(BrokerTopic)
