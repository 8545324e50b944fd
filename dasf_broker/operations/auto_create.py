"""Topics that are created because a message names them: its own, and the one for its answers.

If the message is refused, neither is created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from django.db import IntegrityError

from dasf_broker import app_settings, clock, primary
from dasf_broker.domain.events import TopicAppeared
from dasf_broker.domain.slugs import check_new_slug
from dasf_broker.exceptions import BrokerError, ConflictError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import Access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.new_topics import NewTopics
from dasf_broker.operations.storage.lock import bound_waits
from dasf_broker.operations.storage.response_topics import (
    insert_response_topics,
    put_off_removal,
)
from dasf_broker.permissions import CREATOR_RIGHTS, grant
from dasf_broker.realtime.announcer import announce_on_commit

#: How often response topics are inserted of which another process inserts one at the same time.
ATTEMPTS = 3


class Request(NamedTuple):
    """A message that asks for answers."""

    caller: Caller
    #: The response topic that it names.
    answers: str
    source: BrokerTopic


def find_or_create(
    new: NewTopics, caller: Caller, slug: str, *, answers: str | None
) -> tuple[Access, bool]:
    """Return the topic that a message names, and whether it was created for it.

    Parameters
    ----------
    new
        What the caller may create.
    answers
        The response topic that the message names. If the topic is created, so is this one: both
        or none.

    Raises
    ------
    NotFoundError
        This server does not create topics on messages, the caller may not add topics, or the topic
        exists and is hidden: all three get the same answer.
    BadInputError
        A new topic may not have this name.
    ForbiddenError, ConflictError, RateLimitedError
        As :func:`check_response_topic`.
    """
    table = new.table
    with suppress(NotFoundError):
        return table.get(caller, slug), False
    allowed = app_settings.DASF_CREATE_TOPIC_ON_MESSAGE and new.may_add(caller)
    if not allowed or table.exists(slug):  # hidden takes as long as missing
        raise NotFoundError.topic(slug)
    check_new_slug(slug)
    new.check_count(caller, slug)
    if answers is not None:
        _check_beforehand(new, caller, answers, slug)
    try:
        with primary.atomic():
            created = _create_on_message(caller, slug)
            table.reload(slug)
            found = table.get(caller, slug)
            if answers is not None:
                _ensure_one(new, Request(caller, answers, found.topic))
    except BrokerError:
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
        with primary.atomic():
            bound_waits()  # another transaction may be about to take the slug
            topic.save(force_insert=True)
            if caller.user_or_none is not None:
                grant(caller.user_or_none, topic, *CREATOR_RIGHTS)
            announce_on_commit([TopicAppeared(topic_slug=topic.slug)])
    except IntegrityError:
        raise ConflictError(
            f"The slug {topic.slug!r} is taken; choose another one.", field="slug"
        ) from None
    return topic


def check_response_topic(new: NewTopics, request: Request) -> BrokerTopic | None:
    """Return the topic for the answers to a request, if it exists.

    Nobody gets a right on a topic by naming its slug: an existing topic can be named by its
    consumers only. A hidden topic is answered as a missing one, by a rule that looks at the name.

    Raises
    ------
    ForbiddenError
        The caller may not ask for answers.
    BadInputError
        There is no such topic that the caller may see, and a new one may not have this name.
    ConflictError
        The slug is taken by a topic that cannot carry these answers.
    RateLimitedError
        The caller creates too many topics.
    """
    caller, slug, source = request
    new.check_asks(caller, source.slug)
    with suppress(NotFoundError):
        found = new.table.get(caller, slug)
        if found.rights.may_consume and found.topic.source_topic_id in {None, source.pk}:
            return found.topic
        raise _taken(slug)
    new.check_name(caller, slug, source.slug)
    if new.table.exists(slug):
        raise _taken(slug)
    new.check_count(caller, slug)
    return None


def ensure_response_topics(
    new: NewTopics, requests: Sequence[Request]
) -> list[BrokerTopic | BrokerError]:
    """Return the topics for the answers to requests; create those that do not exist.

    The requester may consume a response topic that was created for them. It is removed after
    ``KEPT`` if it never has a consumer; consumers put its removal off.
    The number of queries does not grow with the number of requests.

    Returns
    -------
    list
        For each request its topic, or the error of :func:`check_response_topic`.
    """
    by_name = {each.answers: each for each in reversed(requests)}  # of two callers the first one
    _create_missing(new, by_name)
    found = [_found(new, each) for each in requests]
    put_off_removal([each for each in found if isinstance(each, BrokerTopic)], clock.now())
    return found


# --- the rows ---------------------------------------------------------------------------------


def _create_on_message(caller: Caller, slug: str) -> bool:
    try:
        insert_topic(caller, BrokerTopic(slug=slug))
    except ConflictError:  # another caller was quicker: use their topic
        return False
    return True


def _check_beforehand(new: NewTopics, caller: Caller, answers: str, slug: str) -> None:
    """Check what can be checked before the source topic is created, which would be undone."""
    if answers == slug:
        raise _taken(answers)
    check_response_topic(new, Request(caller, answers, BrokerTopic(slug=slug)))


def _ensure_one(new: NewTopics, request: Request) -> None:
    [found] = ensure_response_topics(new, [request])
    if isinstance(found, BrokerError):
        raise found


def _found(new: NewTopics, request: Request) -> BrokerTopic | BrokerError:
    try:
        topic = check_response_topic(new, request)
    except BrokerError as error:
        return error
    if topic is None:  # another caller created it and it was removed meanwhile
        return ConflictError(f"The response topic {request.answers!r} is being removed; try again.")
    return topic


def _taken(slug: str) -> ConflictError:
    return ConflictError(f"The response topic {slug!r} is taken; choose another name.")


def _create_missing(new: NewTopics, requests: Mapping[str, Request]) -> None:
    for _ in range(ATTEMPTS):
        # In the order of their names, so that two processes never wait for each other.
        missing = [requests[slug] for slug in sorted(requests) if not new.table.exists(slug)]
        if not missing:
            return
        # Another process may be quicker with one of them; then the others are tried again.
        with suppress(IntegrityError), primary.atomic():
            insert_response_topics(
                [(each.answers, each.source, each.caller.user_or_none) for each in missing]
            )
        new.table.reload(*(each.answers for each in missing))
