"""Create, change and delete topics, and hand out rights on them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import F

from dasf_broker import app_settings
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import StoragePolicy, is_stored
from dasf_broker.domain.texts import check_text
from dasf_broker.exceptions import BadInputError, ConflictError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.access import Access, AccessTable, access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.housekeeping import delete_with_answers, lock_topic, remove_settled
from dasf_broker.permissions import (
    CREATOR_RIGHTS,
    Right,
    grant,
    holds_globally,
    revoke,
    rights_table,
)
from dasf_broker.realtime.channel_layer import announce_on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The rights that a topic's manager may hand out.
GRANTABLE = frozenset(Right) - {Right.ADD}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOptions:
    """What can be chosen about a topic; ``None`` leaves it as it is."""

    is_public: bool | None = None
    supports_dasf: bool | None = None
    #: A policy, or "" for the server's default.
    store_messages: StoragePolicy | str | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns to write."""
        chosen: dict[str, Any] = {}
        if self.is_public is not None:
            chosen["is_public"] = self.is_public
        if self.supports_dasf is not None:
            chosen["supports_dasf"] = self.supports_dasf
        if self.store_messages is not None:
            chosen["store_messages"] = (
                StoragePolicy(self.store_messages).value if self.store_messages else None
            )
        return chosen


def create_topic(caller: Caller, slug: str, options: TopicOptions) -> Access:
    """Create a topic; the caller may then produce, view its status, change and delete it.

    Raises
    ------
    BadInputError
        This is not a slug.
    ForbiddenError
        The caller may not add topics.
    ConflictError
        The slug is taken.
    """
    check_slug(slug, field="slug")
    if not holds_globally(caller.user, Right.ADD):
        raise ForbiddenError("You may not create topics; ask for the right add_brokertopic.")
    topic = _insert(caller, BrokerTopic(slug=slug, **options.values()))
    return _accessed(caller, topic)


def create_on_message(table: AccessTable, caller: Caller, slug: str) -> Access:
    """Create the topic that a message names and that does not exist yet.

    Raises
    ------
    NotFoundError
        Topics are not created on messages here, the caller may not add topics, or the topic
        exists and is hidden: all answered alike.
    """
    allowed = app_settings.DASF_CREATE_TOPIC_ON_MESSAGE and not table.exists(slug)
    if not allowed or not holds_globally(caller.user, Right.ADD):
        raise NotFoundError.topic(slug)
    with suppress(ConflictError):  # somebody else was quicker: then their topic it is
        _insert(caller, BrokerTopic(slug=slug))
    table.reload(slug)
    return table.get(caller, slug)


def ensure_response_topic(
    table: AccessTable, requester: Caller, slug: str, source: BrokerTopic
) -> BrokerTopic:
    """Return the topic that answers to a request go to; create it where there is none.

    The requester may consume a response topic that was created for them. A topic that exists
    is accepted only if they may consume it already: naming a slug never captures it.

    Raises
    ------
    ConflictError
        The slug is taken by a topic that cannot carry these answers.
    """
    if not table.exists(slug):
        with suppress(IntegrityError), transaction.atomic():  # somebody else may be quicker
            created = ResponseTopic(slug=slug, is_response_for=source)
            created.save()
            grant(requester.user, created, Right.CONSUME)
            announce_on_commit([TopicAppeared(topic_slug=slug)])
        table.reload(slug)
    try:
        found = table.get(requester, slug).to_consume()
    except (NotFoundError, ForbiddenError):
        found = None
    if found is None or found.topic.source_topic_id not in (None, source.pk):
        raise ConflictError(f"The response topic {slug!r} is taken; choose another name.")
    if found.topic.garbage_collect_on is not None:
        BrokerTopic.objects.filter(pk=found.topic.pk).update(garbage_collect_on=None)
        found.topic.garbage_collect_on = None
    return found.topic


def update_topic(caller: Caller, slug: str, options: TopicOptions) -> Access:
    """Change a topic.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see it, or not change it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    topic = found.topic
    with transaction.atomic():
        lock_topic(topic)
        was_stored = is_stored(topic.storage_policy)
        for name, value in options.values().items():
            setattr(topic, name, value)
        topic.save(update_fields=list(options.values()))
        if not was_stored and is_stored(topic.storage_policy):
            # What was published in between was never stored: old cursors have a hole.
            # One sequence is left out in their place, so that the newest cursor expires too.
            hole = F("last_sequence") + 1
            topics = BrokerTopic.objects.filter(pk=topic.pk)
            topics.update(last_sequence=hole, expired_sequence=hole)
        remove_settled([topic])
    return _accessed(caller, topic)


def delete_topic(caller: Caller, slug: str) -> None:
    """Delete a topic with its messages and its response topics; subscriptions to it end.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see it, or not delete it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_delete, to="delete")
    delete_with_answers(found.topic)


def grant_permission(
    caller: Caller, slug: str, right: Right, *, username: str | None, group: str | None
) -> Access:
    """Give a user or a group a right on a topic.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not change it.
    BadInputError
        Not one of ``username`` and ``group``, or there is no such user or group.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    with transaction.atomic():
        lock_topic(found.topic)
        grant(_holder(username, group), found.topic, right)
        # Whoever got the right may have acknowledged, when they held it before, what waited
        # since then because nobody held it.
        remove_settled([found.topic])
        announce_on_commit([TopicAppeared(topic_slug=slug)])
    return found


def store_api_info(caller: Caller, slug: str, api_info: Any) -> None:
    """Keep how the backend module behind a topic describes itself.

    Raises
    ------
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not consume from it.
    """
    found = access(caller, slug)
    found.require(found.rights.may_consume, to="describe the module behind")
    BrokerTopic.objects.filter(pk=found.topic.pk).update(api_info=api_info)


def revoke_permission(
    caller: Caller, slug: str, right: Right, *, username: str | None, group: str | None
) -> Access:
    """Take a right on a topic from a user or a group.

    Raises as :func:`grant_permission`.
    """
    found = access(caller, slug)
    found.require(found.rights.may_change, to="change")
    with transaction.atomic():
        lock_topic(found.topic)
        revoke(_holder(username, group), found.topic, right)
        # Whoever lost the right may have been the last one that messages waited for.
        remove_settled([found.topic])
    return found


def _insert(caller: Caller, topic: BrokerTopic) -> BrokerTopic:
    try:
        with transaction.atomic():
            topic.save(force_insert=True)
            if caller.user.pk is not None:  # nobody in person: who sits at the terminal
                grant(caller.user, topic, *CREATOR_RIGHTS)
            announce_on_commit([TopicAppeared(topic_slug=topic.slug)])
    except IntegrityError:
        raise ConflictError(
            f"The slug {topic.slug!r} is taken; choose another one.", field="slug"
        ) from None
    return topic


def _accessed(caller: Caller, topic: BrokerTopic) -> Access:
    return Access(caller, topic, rights_table([caller.user], [topic])[caller.user.pk, topic.pk])


def _holder(username: str | None, group: str | None) -> User | Group:
    if (username is None) == (group is None):
        raise BadInputError("Give either username or group.", field="username")
    if group is not None:
        found_group = Group.objects.filter(name=check_text(group, field="group")).first()
        if found_group is None:
            raise BadInputError(f"There is no group {group!r}.", field="group")
        return found_group
    people, name = get_user_model(), check_text(username or "", field="username")
    found = people._default_manager.filter(**{people.USERNAME_FIELD: name}).first()
    if found is None:
        raise BadInputError(f"There is no user {username!r}.", field="username")
    return found
