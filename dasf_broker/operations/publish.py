"""Publish messages: check rights, apply the storage rule, write, and ring the bell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.events import MessagePublished
from dasf_broker.domain.fingerprints import fingerprint
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import BrokerError, ConflictError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.access import Access, AccessTable
from dasf_broker.operations.backlog import Backlogs
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.creation import (
    check_response_topic,
    ensure_response_topic,
    find_or_create,
)
from dasf_broker.operations.memory import Key, Known, known_messages
from dasf_broker.operations.publications import (
    Publication,
    Published,
    PublishStatus,
    message_event,
    unstored_event,
)
from dasf_broker.realtime.channel_layer import announce_on_commit
from dasf_broker.signals import message_published, send_on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = [
    "Publication",
    "PublishStatus",
    "Published",
    "deliver_again",
    "message_event",
    "publish",
    "publish_batch",
    "publish_content",
    "unstored_event",
]


@dataclass(slots=True)
class _Draft:
    """A publication on its way through the transaction."""

    publication: Publication
    access: Access
    topic_created: bool
    is_stored: bool
    #: As far as it exists.
    response_topic: BrokerTopic | None
    row: BrokerMessage | None = None
    outcome: Published | BrokerError | None = None

    @property
    def topic(self) -> BrokerTopic:
        return self.access.topic

    @property
    def caller(self) -> Caller:
        return self.publication.caller

    @property
    def key(self) -> Key:
        return self.topic.pk, self.publication.envelope.message_id

    def ensure_response_topic(self, table: AccessTable) -> None:
        if (name := self.publication.envelope.response_topic) is not None:
            self.response_topic = ensure_response_topic(table, self.caller, name, self.topic)

    def finish(self, message: MessagePublished, status: PublishStatus) -> None:
        answers = self.response_topic.slug if self.response_topic else None
        self.outcome = Published(message, status, self.topic_created, answers)


def publish_batch(publications: Sequence[Publication]) -> list[Published | BrokerError]:
    """Publish messages in one transaction, in the given order.

    A message that cannot be published is answered with its error and fails no other. The number
    of queries does not grow with the batch, apart from topics that are created. What is returned
    says of each publication, in order, what became of it.
    """
    with transaction.atomic():
        table = AccessTable([*_named(publications)])
        drafts = [_draft(table, each) for each in publications]
        accepted = [draft for draft in drafts if isinstance(draft, _Draft)]
        backlogs = _lock(accepted)
        _decide(table, accepted, backlogs)
        written = [draft for draft in accepted if draft.row is not None]
        _insert(written, backlogs.last_sequences)
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
    TopicFullError
        The topic holds as many messages as it may.
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
    answers = publication.envelope.response_topic
    found, created = find_or_create(table, caller, slug, answers=answers)
    found.require(found.rights.may_produce, to="publish to")
    # It is created when nothing can be refused any more.
    existing = answers and check_response_topic(table, caller, answers, found.topic)
    stores = is_stored(found.topic.storage_policy)
    return _Draft(publication, found, created, stores, existing or None)


def _lock(drafts: Sequence[_Draft]) -> Backlogs:
    stored = [draft.topic.pk for draft in drafts if draft.is_stored]
    # A response topic that is created refers to its source; one that is marked is written.
    sources = {
        draft.topic.pk
        for draft in drafts
        if draft.publication.envelope.response_topic and draft.response_topic is None
    }
    marked = {
        draft.response_topic.pk
        for draft in drafts
        if draft.response_topic and draft.response_topic.garbage_collect_on
    }
    return Backlogs({*stored, *sources, *marked}, stored)


def _decide(table: AccessTable, drafts: Sequence[_Draft], backlogs: Backlogs) -> None:
    stored = [draft for draft in drafts if draft.is_stored]
    known = known_messages([draft.key for draft in stored]) if stored else {}
    for draft in drafts:
        try:
            _settle(table, draft, known, backlogs)
        except BrokerError as error:
            draft.outcome = error


def _settle(table: AccessTable, draft: _Draft, known: dict[Key, Known], backlogs: Backlogs) -> None:
    backlogs.check_there(draft.topic)
    first = known.get(draft.key) if draft.is_stored else None
    if first is not None:
        _check_same(draft, first)
    elif draft.is_stored:
        backlogs.check_room(draft.topic)
    draft.ensure_response_topic(table)  # the last that may refuse
    if first is not None:
        draft.finish(_first_event(draft, first), PublishStatus.DUPLICATE)
    elif draft.is_stored:
        draft.row = _row(draft, backlogs.take(draft.topic))
        known[draft.key] = Known.of(draft.row)
        draft.finish(message_event(draft.row), PublishStatus.STORED)
    else:
        draft.finish(_event(draft), PublishStatus.SENT)


def _check_same(draft: _Draft, first: Known) -> None:
    if not first.is_same(draft.publication.envelope, draft.caller.user.pk):
        raise ConflictError(
            f"Another message has the id {first.message_id}; give every message its own."
        )


def _event(draft: _Draft) -> MessagePublished:
    return unstored_event(draft.caller.user, draft.topic, draft.publication.envelope)


def _first_event(draft: _Draft, first: Known) -> MessagePublished:
    # What is said now is what was said then: the content is not needed, and may be gone.
    return replace(_event(draft), sequence=first.sequence, publish_time=first.published)


def _row(draft: _Draft, sequence: int) -> BrokerMessage:
    envelope = draft.publication.envelope
    return BrokerMessage(
        topic=draft.topic,
        message_id=envelope.message_id,
        sequence=sequence,
        user=draft.caller.user,
        message_type=envelope.message_type.value,
        context=envelope.context,
        content=envelope.content,
        fingerprint=fingerprint(envelope.content),
        date_created=timezone.now(),
    )


def _insert(drafts: Sequence[_Draft], last_sequences: Mapping[int, int]) -> None:
    if not drafts:
        return
    BrokerMessage.objects.bulk_create(draft.row for draft in drafts if draft.row is not None)
    topics = {draft.topic.pk: draft.topic for draft in drafts}
    for topic_id, topic in topics.items():
        topic.last_sequence = last_sequences[topic_id]
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
