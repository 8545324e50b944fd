"""Publish messages: check rights, apply the storage rule, write, and ring the bell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope, MessageType, is_same
from dasf_broker.domain.events import MessagePublished
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import BrokerError, ConflictError, NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.access import Access, AccessTable
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import create_on_message, ensure_response_topic
from dasf_broker.realtime.channel_layer import announce_on_commit
from dasf_broker.signals import message_published, send_on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class PublishStatus(StrEnum):
    """What became of a message."""

    #: Written to the database, and will be delivered.
    STORED = "STORED"
    #: Sent to who is listening now; the topic stores nothing.
    SENT = "SENT"
    #: The same message was published before; this is the first one, and nothing was sent.
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that somebody wants to publish to a topic."""

    caller: Caller
    slug: str
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Published:
    """A message that was published."""

    message: MessagePublished
    status: PublishStatus
    topic_created: bool = False
    response_topic: str | None = None


@dataclass(slots=True)
class _Draft:
    """A publication on its way through the transaction."""

    publication: Publication
    access: Access
    topic_created: bool
    response_topic: BrokerTopic | None
    row: BrokerMessage | None = None
    outcome: Published | BrokerError | None = None

    @property
    def topic(self) -> BrokerTopic:
        return self.access.topic

    @property
    def key(self) -> tuple[int, UUID]:
        return self.topic.pk, self.publication.envelope.message_id

    def finish(self, message: MessagePublished, status: PublishStatus) -> None:
        answers = self.response_topic.slug if self.response_topic else None
        self.outcome = Published(message, status, self.topic_created, answers)


def publish_batch(publications: Sequence[Publication]) -> list[Published | BrokerError]:
    """Publish messages in one transaction, in the given order.

    A message that cannot be published is answered with its error and fails no other. The number
    of queries does not grow with the batch, apart from topics that are created.

    Returns
    -------
    list
        For each publication, in order, what became of it.
    """
    with transaction.atomic():
        table = AccessTable([*_named(publications)])
        drafts = [_draft(table, each) for each in publications]
        accepted = [draft for draft in drafts if isinstance(draft, _Draft)]
        _store([draft for draft in accepted if is_stored(draft.topic.storage_policy)])
        _send([draft for draft in accepted if draft.outcome is None])
        outcomes = [draft.outcome if isinstance(draft, _Draft) else draft for draft in drafts]
        _announce(outcomes)
    return outcomes  # type: ignore[return-value]


def publish(publication: Publication) -> Published:
    """Publish one message.

    Raises
    ------
    BadInputError
        The topic is not a slug.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not publish to it.
    ConflictError
        The message id belongs to another message, or the response topic's name is taken.
    """
    [outcome] = publish_batch([publication])
    if isinstance(outcome, BrokerError):
        raise outcome
    return outcome


def publish_content(user: User, slug: str, content: Any) -> Published:
    """Publish an envelope in its wire form. Raises as :func:`publish` and ``Envelope.parse``."""
    envelope = Envelope.parse(content, max_size=app_settings.DASF_MAX_MESSAGE_SIZE)
    return publish(Publication(Caller.of(user), slug, envelope))


def deliver_again(messages: Iterable[BrokerMessage]) -> None:
    """Send stored messages once more to who is listening now."""
    announce_on_commit([message_event(message, again=True) for message in messages])


def message_event(row: BrokerMessage, *, again: bool = False) -> MessagePublished:
    """Return a stored message as the fact that it was published.

    Parameters
    ----------
    row
        A message whose topic was loaded with its response info.
    again
        Without its sequence, so that it is not taken for the one delivered before.
    """
    return MessagePublished(
        topic_id=row.topic_id,
        topic_slug=row.topic.slug,
        sequence=None if again else row.sequence,
        message_id=row.message_id,
        message_type=MessageType(row.message_type),
        content=row.content,
        user_id=None if row.user_id is None else str(row.user_id),
        publish_time=row.date_created,
        is_response=row.topic.is_response_topic,
    )


def unstored_event(user: User | None, topic: BrokerTopic, envelope: Envelope) -> MessagePublished:
    """Return a message that is kept nowhere."""
    return MessagePublished(
        topic_id=topic.pk,
        topic_slug=topic.slug,
        sequence=None,
        message_id=envelope.message_id,
        message_type=envelope.message_type,
        content=envelope.content,
        user_id=None if user is None else str(user.pk),
        publish_time=timezone.now(),
        is_response=topic.is_response_topic,
    )


# --- the steps of a batch, in order -----------------------------------------------------------


def _named(publications: Iterable[Publication]) -> Iterator[tuple[Caller, str]]:
    for each in publications:
        yield each.caller, each.slug
        if (name := each.envelope.response_topic) is not None:
            yield each.caller, name


def _draft(table: AccessTable, publication: Publication) -> _Draft | BrokerError:
    try:
        return _checked(table, publication)
    except BrokerError as error:
        return error


def _checked(table: AccessTable, publication: Publication) -> _Draft:
    caller, slug = publication.caller, check_slug(publication.slug)
    created = False
    try:
        found = table.get(caller, slug)
    except NotFoundError:
        found = create_on_message(table, caller, slug)
        created = True
    found.require(found.rights.may_produce, to="publish to")
    answers = None
    if (name := publication.envelope.response_topic) is not None:
        answers = ensure_response_topic(table, caller, name, found.topic)
    return _Draft(publication, found, created, answers)


def _store(drafts: Sequence[_Draft]) -> None:
    if not drafts:
        return
    heads = _lock_heads({draft.topic.pk for draft in drafts})
    known = _known_messages(drafts)
    for draft in drafts:
        if draft.topic.pk not in heads:  # deleted since its rights were looked up
            draft.outcome = NotFoundError.topic(draft.topic.slug)
        elif (first := known.get(draft.key)) is not None:
            _settle_repeated(draft, first)
        else:
            heads[draft.topic.pk] += 1
            draft.row = known[draft.key] = _row(draft, heads[draft.topic.pk])
            draft.finish(message_event(draft.row), PublishStatus.STORED)
    _insert([draft for draft in drafts if draft.row is not None], heads)


def _lock_heads(topic_ids: set[int]) -> dict[int, int]:
    # Locked in the order of their keys, so that two batches never wait for each other. The lock
    # makes the order of commits the order of sequences.
    locked = BrokerTopic.objects.select_for_update().filter(pk__in=topic_ids).order_by("pk")
    return dict(locked.values_list("pk", "last_sequence"))


def _known_messages(drafts: Sequence[_Draft]) -> dict[tuple[int, UUID], BrokerMessage]:
    rows = BrokerMessage.objects.filter(
        message_id__in={draft.publication.envelope.message_id for draft in drafts},
        topic__in={draft.topic.pk for draft in drafts},
    )
    return {(row.topic_id, row.message_id): row for row in rows}


def _settle_repeated(draft: _Draft, first: BrokerMessage) -> None:
    envelope, caller = draft.publication.envelope, draft.publication.caller
    if is_same(first.content, envelope.content) and first.user_id == caller.user.pk:
        first.topic = draft.topic
        draft.finish(message_event(first), PublishStatus.DUPLICATE)
    else:
        draft.outcome = ConflictError(
            f"Another message has the id {envelope.message_id}; give every message its own."
        )


def _row(draft: _Draft, sequence: int) -> BrokerMessage:
    envelope = draft.publication.envelope
    return BrokerMessage(
        topic=draft.topic,
        message_id=envelope.message_id,
        sequence=sequence,
        user=draft.publication.caller.user,
        message_type=envelope.message_type.value,
        context=envelope.context,
        content=envelope.content,
        date_created=timezone.now(),
    )


def _insert(drafts: Sequence[_Draft], heads: Mapping[int, int]) -> None:
    if not drafts:
        return
    BrokerMessage.objects.bulk_create(draft.row for draft in drafts if draft.row is not None)
    topics = {draft.topic.pk: draft.topic for draft in drafts}
    for topic_id, topic in topics.items():
        topic.last_sequence = heads[topic_id]
    BrokerTopic.objects.bulk_update(topics.values(), ["last_sequence"])
    _link_requests(drafts)


def _link_requests(drafts: Iterable[_Draft]) -> None:
    links = ResponseTopic.source_messages.through
    requests = [
        links(responsetopic_id=draft.response_topic.pk, brokermessage_id=draft.row.pk)
        for draft in drafts
        if draft.row is not None
        and draft.response_topic is not None
        and draft.response_topic.is_response_topic
    ]
    if requests:
        links.objects.bulk_create(requests)


def _send(drafts: Iterable[_Draft]) -> None:
    for draft in drafts:
        publication = draft.publication
        message = unstored_event(publication.caller.user, draft.topic, publication.envelope)
        draft.finish(message, PublishStatus.SENT)


def _announce(outcomes: Iterable[Published | BrokerError | None]) -> None:
    messages = [
        outcome.message
        for outcome in outcomes
        if isinstance(outcome, Published) and outcome.status is not PublishStatus.DUPLICATE
    ]
    announce_on_commit(messages)
    for message in messages:
        send_on_commit(
            message_published, sender=BrokerTopic, topic=message.topic_slug, message=message
        )
