"""Publish messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from dasf_broker import app_settings
from dasf_broker.api import writing
from dasf_broker.api.calling import AnyUser, acaller_of, caller_of, synchronous
from dasf_broker.domain.envelope import Envelope, MessageType, check_uuid
from dasf_broker.domain.publishing import Published
from dasf_broker.domain.slugs import check_slug
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations import publish as operations
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication


class MessageParts(TypedDict, total=False):
    """The parts of a message. All are optional; give at most one of data, text and payload."""

    #: The body as JSON.
    data: Any
    #: The body as text.
    text: str | None
    #: The body in base64, as it is sent.
    payload: str | None
    #: Further properties of the message: a JSON object.
    properties: dict[str, Any] | None
    #: The type of the message; without it a request.
    message_type: MessageType | str
    #: The topic that answers go to. The broker creates it if it does not exist. For a user, the
    #: name of a new one begins with the name of the topic.
    response_topic: str | None
    #: A number that answers repeat, so that you know which request they answer.
    context: int | None
    #: The id of the message. Publish it again with the same id and body, and it is stored once.
    message_id: UUID | str | None


class NewMessage(MessageParts):
    """A message for :func:`publish_many`: a dictionary with its topic and its parts."""

    #: The slug of the topic.
    topic: Required[str]


@synchronous(instead="apublish")
def publish(
    topic: str, *, user: AnyUser | None = None, **message: Unpack[MessageParts]
) -> Published:
    """Publish a message. Subscribers receive it when the caller's transaction is committed.

    Parameters
    ----------
    topic
        The slug of the topic.
    user
        The producer; without one the server itself.
    **message
        The :class:`MessageParts`: ``data``, ``text`` or ``payload``, ``properties``,
        ``message_type``, ``response_topic``, ``context``, ``message_id``.

    Raises
    ------
    BadInputError, PayloadTooLargeError
        A part is not valid; the message is too large.
    NotFoundError, ForbiddenError
        The topic does not exist or the user may not see it; the user may not publish to it. An
        anonymous user may not ask for answers.
    ConflictError
        The message id belongs to another message, the response topic's name is taken, or the
        topic is a response topic and the message is no answer.
    TopicFullError
        The topic holds as many messages as it may.
    """
    return operations.publish(_publication(caller_of(user), topic, **message))


@synchronous(instead="apublish_many")
def publish_many(
    messages: Iterable[NewMessage], *, user: AnyUser | None = None
) -> list[Published | BrokerError]:
    """Publish messages in one transaction, in the given order.

    Parameters
    ----------
    messages
        Dictionaries like ``{"topic": "weather", "data": 6.2}``.
    user
        The producer; without one the server itself.

    Returns
    -------
    list
        The outcome of each message, in order. A refused one has its error here; the others are
        published all the same.
    """
    drafts = _drafts(caller_of(user), messages)
    return _outcomes(drafts, operations.publish_batch(_accepted(drafts)))


async def apublish(
    topic: str, *, user: AnyUser | None = None, **message: Unpack[MessageParts]
) -> Published:
    """Do as :func:`publish` from asynchronous code, in a transaction of its own.

    The message is committed and announced when this returns. Raises as :func:`publish`, and
    ``UnavailableError`` if the database does not answer.
    """
    publication = _publication(await acaller_of(user), topic, **message)
    [outcome] = await writing.publish([publication])
    if isinstance(outcome, BrokerError):
        raise outcome
    return outcome


async def apublish_many(
    messages: Iterable[NewMessage], *, user: AnyUser | None = None
) -> list[Published | BrokerError]:
    """Do as :func:`publish_many` from asynchronous code, in a transaction of its own."""
    drafts = _drafts(await acaller_of(user), messages)
    return _outcomes(drafts, await writing.publish(_accepted(drafts)))


# --- from here to the operation ---------------------------------------------------------------


def _publication(
    caller: Caller, topic: str, *, message_id: UUID | str | None = None, **parts: Any
) -> Publication:
    envelope = Envelope.compose(
        max_size=app_settings.DASF_MAX_MESSAGE_SIZE,
        message_id=None if message_id is None else check_uuid(message_id),
        **parts,
    )
    return Publication(caller, check_slug(topic), envelope, is_limited=False)


def _drafts(caller: Caller, messages: Iterable[NewMessage]) -> list[Publication | BrokerError]:
    return [_draft(caller, **each) for each in messages]


def _draft(caller: Caller, topic: str, **parts: Any) -> Publication | BrokerError:
    try:
        return _publication(caller, topic, **parts)
    except BrokerError as error:
        return error


def _accepted(drafts: Iterable[Publication | BrokerError]) -> list[Publication]:
    return [draft for draft in drafts if isinstance(draft, Publication)]


def _outcomes(
    drafts: Iterable[Publication | BrokerError], published: Iterable[Published | BrokerError]
) -> list[Published | BrokerError]:
    following = iter(published)
    return [next(following) if isinstance(each, Publication) else each for each in drafts]
