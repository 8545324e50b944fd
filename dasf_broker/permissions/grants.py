"""Give rights, and take them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group, Permission

from dasf_broker import primary
from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
)
from dasf_broker.models.rights import content_type
from dasf_broker.permissions.rights import Right
from dasf_broker.sql.bulk_insert import BulkInsert

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@primary.reads()
def grant(holder: User | Group, topic: BrokerTopic, *granted: Right) -> None:
    """Give a user or a group rights on a topic; rights that they hold already stay."""
    table, owner = _table(holder)
    permissions = Permission.objects.filter(content_type=content_type(), codename__in=granted)
    table.objects.bulk_create(
        [
            table(**owner, content_object_id=topic.pk, permission=permission)
            for permission in permissions
        ],
        ignore_conflicts=True,
    )


@primary.reads()
def grant_each(right: Right, pairs: Collection[tuple[User, BrokerTopic]]) -> None:
    """Give each of the users a right on a new topic, on which they hold none yet. Two queries."""
    if not pairs:
        return
    permissions = Permission.objects.filter(content_type=content_type(), codename=right)
    _insert_rights(
        [
            (permission, user.pk, topic.pk)
            for permission in permissions.values_list("pk", flat=True)
            for user, topic in pairs
        ]
    )


_insert_rights = BulkInsert(
    BrokerTopicUserPermission, "permission_id", "user_id", "content_object_id"
)


def revoke(holder: User | Group, topic: BrokerTopic, right: Right) -> None:
    """Take a right on a topic from a user or a group; nothing happens if they do not hold it."""
    table, owner = _table(holder)
    table.objects.filter(**owner, content_object_id=topic.pk, permission__codename=right).delete()


def _table(holder: User | Group) -> tuple[Any, dict[str, Any]]:
    if isinstance(holder, Group):
        return BrokerTopicGroupPermission, {"group_id": holder.pk}
    return BrokerTopicUserPermission, {"user_id": holder.pk}
