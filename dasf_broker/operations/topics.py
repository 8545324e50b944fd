"""Create, change and delete topics, and give rights on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import F

from dasf_broker import primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.domain.retention import check_retention
from dasf_broker.domain.sizes import json_size
from dasf_broker.domain.slugs import check_new_slug
from dasf_broker.domain.storage import StoragePolicy, is_stored
from dasf_broker.domain.texts import check_text, shown
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import Access, access
from dasf_broker.operations.auto_create import insert_topic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage.lock import lock_topic, locked_in_order
from dasf_broker.operations.storage.settlement import remove_settled
from dasf_broker.permissions import (
    Right,
    grant,
    holds_globally,
    revoke,
    rights_on,
)
from dasf_broker.realtime.announcer import announce_on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The rights that a topic's manager may give.
GRANTABLE = frozenset(Right) - {Right.ADD}


#: The names of the limits in the API.
_FIELDS = {"retention_age": "retentionAge", "retention_count": "retentionCount"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOptions:
    """The options of a topic; ``None`` leaves an option unchanged."""

    is_public: bool | None = None
    supports_dasf: bool | None = None
    #: A policy, or "" for the server's default.
    store_messages: StoragePolicy | str | None = None
    #: Seconds, or "" for no limit.
    retention_age: int | Literal[""] | None = None
    #: Messages, or "" for no limit.
    retention_count: int | Literal[""] | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns to write.

        Raises
        ------
        BadInputError
            A limit or a policy is not valid.
        """
        chosen: dict[str, Any] = {}
        if self.is_public is not None:
            chosen["is_public"] = self.is_public
        if self.supports_dasf is not None:
            chosen["supports_dasf"] = self.supports_dasf
        if self.store_messages is not None:
            chosen["store_messages"] = _policy(self.store_messages)
        limits = {"retention_age": self.retention_age, "retention_count": self.retention_count}
        for name, limit in limits.items():
            if limit is not None:
                chosen[name] = None if limit == "" else check_retention(limit, field=_FIELDS[name])
        return chosen


@retried
def create_topic(caller: Caller, slug: str, options: TopicOptions) -> Access:
    """Create a topic; the caller may then produce, view its status, change and delete it.

    Raises
    ------
    BadInputError
        A topic may not have this slug, or a limit is not valid.
    ForbiddenError
        The caller may not add topics.
    ConflictError
        The slug is taken.
    """
    check_new_slug(slug, field="slug")
    values = options.values()
    if not holds_globally(caller.user, Right.ADD):
        raise ForbiddenError("You may not create topics; ask for the right add_brokertopic.")
    topic = insert_topic(caller, BrokerTopic(slug=slug, **values))
    return _accessed(caller, topic)


@retried
def update_topic(caller: Caller, slug: str, options: TopicOptions) -> Access:
    """Change a topic.

    Raises
    ------
    BadInputError
        A limit is not valid.
    NotFoundError, ForbiddenError
        The caller may not see it, or not change it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    topic, values = found.topic, options.values()
    with primary.atomic():
        _lock(topic)
        was_stored = is_stored(topic.storage_policy)
        for name, value in values.items():
            setattr(topic, name, value)
        topic.save(update_fields=list(values))
        if not was_stored and is_stored(topic.storage_policy):
            # Messages that were published in between were never stored, so they are missing behind
            # old cursors. One sequence is skipped for them, so that the newest cursor expires too.
            skipped = F("last_sequence") + 1
            topics = BrokerTopic.objects.filter(pk=topic.pk)
            topics.update(last_sequence=skipped, expired_sequence=skipped)
        remove_settled([topic])
    return _accessed(caller, topic)


@retried
def delete_topic(caller: Caller, slug: str) -> None:
    """Delete a topic with its messages and its response topics; subscriptions to them end.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see it, or not delete it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_delete, to="delete")
    found.topic.delete()


@retried
def grant_permission(
    caller: Caller, slug: str, right: Right, *, username: str | None, group: str | None
) -> Access:
    """Give a user or a group a right on a topic.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not change it.
    BadInputError
        Neither or both of ``username`` and ``group`` are given, or there is no such user or group.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    with primary.atomic():
        _lock(found.topic)
        grant(_holder(username, group), found.topic, right)
        # The new holders may have held the right before, and acknowledged messages that waited
        # since then because no user held it.
        remove_settled([found.topic])
        announce_on_commit([TopicAppeared(topic_slug=slug)])
    return found


@retried
def store_api_info(caller: Caller, slug: str, api_info: Any) -> None:
    """Store the API description that the backend module of a topic gives.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not consume from it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_consume, to="describe the module behind")
    size = json_size(api_info)
    with primary.atomic():
        locked = locked_in_order([found.topic.pk])
        BrokerTopic.objects.filter(pk__in=locked).update(api_info=api_info, size=size)


@retried
def revoke_permission(
    caller: Caller, slug: str, right: Right, *, username: str | None, group: str | None
) -> Access:
    """Take a right on a topic from a user or a group.

    Raises as :func:`grant_permission`.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    with primary.atomic():
        _lock(found.topic)
        revoke(_holder(username, group), found.topic, right)
        # Messages may have waited only for the users who lost the right.
        remove_settled([found.topic])
    return found


def _policy(name: StoragePolicy | str) -> str | None:
    try:
        return StoragePolicy(name).value if name else None
    except ValueError:
        known = ", ".join(each.value for each in StoragePolicy)
        raise BadInputError(
            f"{name!r} is not a storage policy (one of {known}).", field="storeMessages"
        ) from None


def _lock(topic: BrokerTopic) -> None:
    """Lock a topic.

    Raises
    ------
    NotFoundError
        It was deleted after its rights were read.
    """
    if not lock_topic(topic):
        raise NotFoundError.topic(topic.slug)


def _accessed(caller: Caller, topic: BrokerTopic) -> Access:
    return Access(caller, topic, rights_on(caller.user, topic))


def _holder(username: str | None, group: str | None) -> User | Group:
    if (username is None) == (group is None):
        raise BadInputError("Give either username or group.", field="username")
    if group is not None:
        found_group = Group.objects.filter(name=check_text(group, field="group")).first()
        if found_group is None:
            raise BadInputError(f"There is no group {shown(group)}.", field="group")
        return found_group
    people, name = get_user_model(), check_text(username or "", field="username")
    found = people._default_manager.filter(**{people.USERNAME_FIELD: name}).first()
    if found is None:
        raise BadInputError(f"There is no user {shown(username)}.", field="username")
    return found
