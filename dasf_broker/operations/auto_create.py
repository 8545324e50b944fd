"""Topics that are created because a message names them: its own, and the one for its answers.

If the message is refused, neither is created.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.exceptions import ConflictError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.access import Access, AccessTable
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import CREATOR_RIGHTS, Right, grant, holds_globally
from dasf_broker.realtime.announcer import announce_on_commit

#: How long a response topic is kept without a consumer, from the last request that named it.
ANSWERS_KEPT = timedelta(hours=24)

#: How often, at most, requests put the removal of their response topic off.
ANSWERS_STEP = timedelta(hours=1)


def find_or_create(
    table: AccessTable, caller: Caller, slug: str, *, answers: str | None
) -> tuple[Access, bool]:
    """Return the topic that a message names, and whether it was created for it.

    Parameters
    ----------
    answers
        The response topic that the message names. If the topic is created, so is this one: both
        or none.

    Raises
    ------
    NotFoundError
        This server does not create topics on messages, the caller may not add topics, or the topic
        exists and is hidden: all three get the same answer.
    ConflictError
        The response topic's name is taken.
    """
    with suppress(NotFoundError):
        return table.get(caller, slug), False
    allowed = app_settings.DASF_CREATE_TOPIC_ON_MESSAGE and holds_globally(caller.user, Right.ADD)
    if not allowed or table.exists(slug):  # hidden takes as long as missing
        raise NotFoundError.topic(slug)
    try:
        with transaction.atomic():
            created = _create_on_message(caller, slug)
            table.reload(slug)
            found = table.get(caller, slug)
            if answers is not None:
                ensure_response_topic(table, caller, answers, found.topic)
    except ConflictError:
        table.reload(slug)  # the rollback removed it
        raise
    return found, created


def insert_topic(caller: Caller, topic: BrokerTopic) -> BrokerTopic:
    """Write a new topic, and give its creator their rights.

    Raises
    ------
    ConflictError
        The slug is taken.
    """
    try:
        with transaction.atomic():
            topic.save(force_insert=True)
            if caller.user_or_none is not None:
                grant(caller.user_or_none, topic, *CREATOR_RIGHTS)
            announce_on_commit([TopicAppeared(topic_slug=topic.slug)])
    except IntegrityError:
        raise ConflictError(
            f"The slug {topic.slug!r} is taken; choose another one.", field="slug"
        ) from None
    return topic


def check_response_topic(
    table: AccessTable, requester: Caller, slug: str, source: BrokerTopic
) -> BrokerTopic | None:
    """Return the topic for the answers to a request, if it exists.

    Raises
    ------
    ConflictError
        The slug is taken by a topic that cannot carry these answers. An existing topic can if the
        requester may consume it already: nobody gets a right on a topic by naming its slug.
    """
    if not table.exists(slug):
        return None
    with suppress(NotFoundError, ForbiddenError):
        topic = table.get(requester, slug).to_consume().topic
        if topic.source_topic_id in {None, source.pk}:
            return topic
    raise ConflictError(f"The response topic {slug!r} is taken; choose another name.")


def ensure_response_topic(
    table: AccessTable, requester: Caller, slug: str, source: BrokerTopic
) -> BrokerTopic:
    """Return the topic for the answers to a request; create it if it does not exist.

    The requester may consume a response topic that was created for them. It is removed after
    ``ANSWERS_KEPT`` if it never has a consumer; the first consumer clears the mark for removal.

    Raises
    ------
    ConflictError
        As :func:`check_response_topic`.
    """
    due = timezone.now() + ANSWERS_KEPT
    if not table.exists(slug):
        with suppress(IntegrityError), transaction.atomic():  # another caller may be quicker
            created = ResponseTopic(slug=slug, is_response_for=source, garbage_collect_on=due)
            created.save()
            if requester.user_or_none is not None:
                grant(requester.user_or_none, created, Right.CONSUME)
            announce_on_commit([TopicAppeared(topic_slug=slug)])
        table.reload(slug)
    topic = check_response_topic(table, requester, slug, source)
    if topic is None:  # another caller created it and it was removed meanwhile
        raise ConflictError(f"The response topic {slug!r} is being removed; try again.")
    if topic.garbage_collect_on is not None and topic.garbage_collect_on < due - ANSWERS_STEP:
        BrokerTopic.objects.filter(pk=topic.pk).update(garbage_collect_on=due)
        topic.garbage_collect_on = due
    return topic


def _create_on_message(caller: Caller, slug: str) -> bool:
    try:
        insert_topic(caller, BrokerTopic(slug=slug))
    except ConflictError:  # another caller was quicker: use their topic
        return False
    return True
