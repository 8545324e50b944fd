"""Who holds which right on which topic.

Tables of our own instead of guardian's generic ones, found by guardian all the same: real
foreign keys, so that rights go with their topic and a batch of rights is one indexed query.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from dasf_broker.models.topics import BrokerTopic


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
