"""The rights that users and groups hold, on one topic or on all.

These are tables of our own instead of guardian's generic ones, and guardian finds them, too. They
have real foreign keys, so that rights are deleted with their topic and one indexed query reads a
batch of rights. A right is named by its codename here; ``permissions`` says what each allows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import BigIntegerField, CharField, QuerySet, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from dasf_broker import primary
from dasf_broker.models.topics import BrokerTopic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The flags of a user that decide about rights, and their usual values. They have these values in
#: user models that do not have them.
USUAL_FLAGS = {"is_active": True, "is_superuser": False}

#: Stands for the flag of a superuser among the rights on all topics.
SUPERUSER = "is_superuser"


class BrokerTopicUserPermission(UserObjectPermissionBase):
    """A right of a user on a topic."""

    content_object = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = _("right of a user")
        verbose_name_plural = _("rights of users")
        # What a user may do with a topic: each may have many of the other.
        indexes = (
            models.Index(
                fields=("user", "content_object", "permission"), name="dasf_broker_user_and_topic"
            ),
        )


class BrokerTopicGroupPermission(GroupObjectPermissionBase):
    """A right of a group on a topic."""

    content_object = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = _("right of a group")
        verbose_name_plural = _("rights of groups")
        # The same for groups.
        indexes = (
            models.Index(
                fields=("group", "content_object", "permission"), name="dasf_broker_group_and_topic"
            ),
        )


def content_type() -> ContentType:
    """Return what rights on all topics refer to."""
    return ContentType.objects.db_manager(primary.alias()).get_for_model(BrokerTopic)


def ordinary_users() -> QuerySet[User]:
    """Return the active users without superusers, who hold all rights."""
    usual = {flag: value for flag, value in USUAL_FLAGS.items() if _is_column(flag)}
    return get_user_model()._default_manager.filter(**usual)


def active_users(keys: Collection[Any]) -> QuerySet[User]:
    """Return those of the users who are active."""
    return active(get_user_model()._default_manager.filter(pk__in=keys))


def active(people: QuerySet[User]) -> QuerySet[User]:
    """Return the active ones of some users."""
    return people.filter(**_being_active())


def superusers(people: QuerySet[User]) -> QuerySet[User]:
    """Return those of some users who are superusers."""
    return people.filter(is_superuser=True) if _is_column("is_superuser") else people.none()


def flags_are_computed() -> bool:
    """Tell whether the user model computes a flag, so that no query can read it."""
    model = get_user_model()
    return any(
        not _is_column(flag) and getattr(model, flag, usual) is not usual
        for flag, usual in USUAL_FLAGS.items()
    )


def users_with(topic: BrokerTopic, codename: str) -> QuerySet[User]:
    """Return the active users who hold the right on the topic, superusers not counted."""
    keys = [way.order_by() for given in given_by(topic, codename) for way in _holders(*given)]
    # A union, because with an OR a database reads every user.
    return ordinary_users().filter(pk__in=keys[0].union(*keys[1:]))


def given_by(topic: BrokerTopic, codename: str) -> Iterator[tuple[int, str]]:
    """Yield the rights, each on a topic, any of which gives a right on a topic.

    The consumers of a topic may produce to its response topics, without a row of their own.
    """
    yield topic.pk, codename
    if codename == "can_produce" and topic.source_topic_id is not None:
        yield topic.source_topic_id, "can_consume"


def held_rights(
    people: QuerySet[User],
    topics: Collection[int],
    codenames: Collection[str] | None = None,
    *,
    column: str = "pk",
    kind: int | None = None,
    with_superusers: bool = False,
) -> QuerySet[Any, tuple[Any, int | None, str]]:
    """Return holders and rights, each on one of the topics or (``None``) on all. One query.

    Parameters
    ----------
    people
        The users whose rights to read.
    topics
        Primary keys of the topics.
    codenames
        The rights to read; without it all.
    column
        The column of the users to return.
    kind
        The key of :func:`content_type`, for statements that are built only once.
    with_superusers
        Whether superusers hold :data:`SUPERUSER` on all topics, beside the rights that they hold.
    """
    # From the side of the user, because `groups` is the one name that every user model has.
    people = people.order_by()
    all_topics = Cast(Value(None), BigIntegerField())
    own, group = "brokertopicuserpermission", "groups__brokertopicgrouppermission"
    kind = content_type().pk if kind is None else kind

    def these(path: str) -> dict[str, Any]:
        return {} if codenames is None else {f"{path}__in": codenames}

    parts = [
        people.filter(
            **{f"{path}__content_object__in": topics}, **these(f"{path}__permission__codename")
        ).values_list(column, f"{path}__content_object", f"{path}__permission__codename")
        for path in (own, group)
    ] + [
        people.filter(**{f"{path}__content_type": kind}, **these(f"{path}__codename")).values_list(
            column, all_topics, f"{path}__codename"
        )
        for path in ("user_permissions", "groups__permissions")
    ]
    if with_superusers:
        flag = Value(SUPERUSER, output_field=CharField())
        parts.append(superusers(people).values_list(column, all_topics, flag))
    return parts[0].union(*parts[1:], all=True)


def rights_on_topics(
    user_id: Any, codenames: Collection[str]
) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return the rows for single topics of a user, if active, and those of their groups."""
    on_any = {"permission__codename__in": codenames}
    active = _being_active("user__")
    own = BrokerTopicUserPermission.objects.filter(user=user_id, **active, **on_any)
    groups = active_users([user_id]).order_by().values("groups")
    of_groups = BrokerTopicGroupPermission.objects.filter(group__in=groups, **on_any)
    return own, of_groups


def _is_column(flag: str) -> bool:
    try:
        get_user_model()._meta.get_field(flag)
    except FieldDoesNotExist:
        return False
    return True


def _being_active(path: str = "") -> dict[str, Any]:
    return {f"{path}is_active": True} if _is_column("is_active") else {}


def _holders(topic_id: int, codename: str) -> Iterator[QuerySet[Any, Any]]:
    """Yield the primary keys of the holders of a right, for each way to hold it."""
    people = get_user_model()._default_manager
    on_topic = {"content_object": topic_id, "permission__codename": codename}
    groups = BrokerTopicGroupPermission.objects.filter(**on_topic).values("group")
    for_all = Permission.objects.filter(content_type=content_type(), codename=codename)
    yield BrokerTopicUserPermission.objects.filter(**on_topic).values("user")
    yield people.filter(groups__in=groups).values("pk")
    yield people.filter(user_permissions__in=for_all).values("pk")
    yield people.filter(groups__permissions__in=for_all).values("pk")
