"""Publish messages: check rights, apply the storage rule, write, and announce."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import transaction
from django.utils import timezone

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.fingerprints import fingerprint
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import BrokerError, ConflictError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.access import AccessTable
from dasf_broker.operations.auto_create import (
    check_response_topic,
    ensure_response_topic,
    find_or_create,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.storage.capacity import Capacity
from dasf_broker.operations.storage.deduplication import (
    Key,
    KnownMessage,
    known_messages,
    message_keys,
)
from dasf_broker.operations.storage.events import message_event, new_event
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.signals import message_published, send_on_commit
from dasf_broker.sql.bulk_insert import BulkInsert
from dasf_broker.sql.compiled import Update

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class _Target:
    """The topic of a caller's messages: found once for all of them in a batch."""

    topic: BrokerTopic
    is_stored: bool
    #: ``None`` if it does not exist yet, or none is named.
    response_topic: BrokerTopic | None
    topic_created: bool


#: By primary key of the user, slug, and slug of the response topic.
_Targets: TypeAlias = dict[tuple[Any, str, str | None], _Target]


@dataclass(slots=True)
class _Draft:
    """A publication on its way through the transaction."""

    publication: Publication
    target: _Target
    response_topic: BrokerTopic | None
    #: The row to write.
    row: KnownMessage | None = None
    outcome: Published | BrokerError | None = None

    @property
    def topic(self) -> BrokerTopic:
        return self.target.topic

    @property
    def caller(self) -> Caller:
        return self.publication.caller

    @property
    def key(self) -> Key:
        return self.topic.pk, self.publication.envelope.message_id

    def ensure_response_topic(self, table: AccessTable) -> None:
        if (name := self.publication.envelope.response_topic) is not None:
            self.response_topic = ensure_response_topic(table, self.caller, name, self.topic)

    def finish(self, status: PublishStatus, sequence: int | None, published: datetime) -> None:
        user, envelope = self.caller.user_or_none, self.publication.envelope
        message = new_event(user, self.topic, envelope, sequence, published)
        answers = self.response_topic.slug if self.response_topic else None
        self.outcome = Published(message, status, self.target.topic_created, answers)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The publications of a transaction and what they have in common."""

    table: AccessTable
    capacity: Capacity
    known: dict[Key, KnownMessage]
    now: datetime


def publish_batch(publications: Sequence[Publication]) -> list[Published | BrokerError]:
    """Publish messages in one transaction, in the given order.

    A message that cannot be published gets its error; the others are published all the same. The
    number of queries does not grow with the batch, apart from topics that are created. Returns the
    outcome of each publication, in order.
    """
    with transaction.atomic():
        table = AccessTable([*_named(publications)])
        targets: _Targets = {}
        drafts = [_draft(table, targets, each) for each in publications]
        accepted = [draft for draft in drafts if isinstance(draft, _Draft)]
        capacity = _lock(accepted)
        _decide(table, accepted, capacity)
        _insert([draft for draft in accepted if draft.row is not None], capacity.last_sequences)
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
    """Send stored messages again to current subscribers."""
    announce_on_commit([message_event(message, again=True) for message in messages])


# --- the steps of a batch, in order -----------------------------------------------------------


def _named(publications: Iterable[Publication]) -> Iterator[tuple[Caller, str]]:
    for each in publications:
        yield each.caller, each.slug
        if (name := each.envelope.response_topic) is not None:
            yield each.caller, name


def _draft(table: AccessTable, targets: _Targets, publication: Publication) -> _Draft | BrokerError:
    answers = publication.envelope.response_topic
    key = publication.caller.user.pk, publication.slug, answers
    try:
        target = targets.get(key) or _find_target(table, publication, answers)
    except BrokerError as error:
        return error
    targets[key] = replace(target, topic_created=False) if target.topic_created else target
    return _Draft(publication, target, target.response_topic)


def _find_target(table: AccessTable, publication: Publication, answers: str | None) -> _Target:
    caller, slug = publication.caller, check_slug(publication.slug)
    found, created = find_or_create(table, caller, slug, answers=answers)
    found.require(found.rights.may_produce, to="publish to")
    # It is created later, when the message can no longer be refused.
    existing = check_response_topic(table, caller, answers, found.topic) if answers else None
    return _Target(found.topic, is_stored(found.topic.storage_policy), existing, created)


def _lock(drafts: Sequence[_Draft]) -> Capacity:
    stored = [draft.topic.pk for draft in drafts if draft.target.is_stored]
    # A new response topic refers to its source; one that is marked for removal is updated.
    sources = {
        draft.topic.pk
        for draft in drafts
        if draft.response_topic is None and draft.publication.envelope.response_topic
    }
    marked = {
        draft.response_topic.pk
        for draft in drafts
        if draft.response_topic and draft.response_topic.garbage_collect_on
    }
    return Capacity({*stored, *sources, *marked}, stored)


def _decide(table: AccessTable, drafts: Sequence[_Draft], capacity: Capacity) -> None:
    keys = [draft.key for draft in drafts if draft.target.is_stored]
    batch = _Batch(table, capacity, known_messages(keys) if keys else {}, timezone.now())
    for draft in drafts:
        try:
            _decide_one(draft, batch)
        except BrokerError as error:
            draft.outcome = error


def _decide_one(draft: _Draft, batch: _Batch) -> None:
    batch.capacity.check_exists(draft.topic)
    is_stored = draft.target.is_stored
    first = batch.known.get(draft.key) if is_stored else None
    if first is not None:
        _check_same(draft, first)
    elif is_stored:
        batch.capacity.check_not_full(draft.topic)
    draft.ensure_response_topic(batch.table)  # the last step that may refuse
    if first is not None:
        # It says the same as the first one, whose content is not needed and may be gone.
        draft.finish(PublishStatus.DUPLICATE, first.sequence, first.published)
    elif is_stored:
        draft.row = row = _row(draft, batch.capacity.next_sequence(draft.topic), batch.now)
        batch.known[draft.key] = row
        draft.finish(PublishStatus.STORED, row.sequence, row.published)
    else:
        draft.finish(PublishStatus.SENT, None, batch.now)


def _check_same(draft: _Draft, first: KnownMessage) -> None:
    if not first.is_same(draft.publication.envelope, draft.caller.user.pk):
        raise ConflictError(
            f"Another message has the id {first.message_id}; give every message its own."
        )


def _row(draft: _Draft, sequence: int, now: datetime) -> KnownMessage:
    topic_id, message_id = draft.key
    said = fingerprint(draft.publication.envelope.content)
    return KnownMessage(topic_id, message_id, sequence, said, draft.caller.user.pk, now)


def _insert(drafts: Sequence[_Draft], last_sequences: Mapping[int, int]) -> None:
    if not drafts:
        return
    _insert_messages([_columns(draft) for draft in drafts])
    topics = {draft.topic.pk for draft in drafts}
    _set_last_sequence.many([(last_sequences[topic_id], topic_id) for topic_id in sorted(topics)])
    _link_requests(drafts)


_insert_messages = BulkInsert(
    BrokerMessage,
    *("topic_id", "message_id", "sequence", "fingerprint", "user_id", "date_created"),
    *("message_type", "context", "content"),
)
_set_last_sequence: Update[int, int] = Update(
    "last_sequence", lambda topic_id: BrokerTopic.objects.filter(pk=topic_id)
)


def _columns(draft: _Draft) -> tuple[Any, ...]:
    assert draft.row is not None
    said = draft.publication.envelope
    return (*draft.row, said.message_type.value, said.context, said.content)


def _link_requests(drafts: Iterable[_Draft]) -> None:
    requests = [
        (draft.response_topic.pk, draft.key)
        for draft in drafts
        if draft.response_topic is not None and draft.response_topic.is_response_topic
    ]
    if requests:
        keys = message_keys([key for _, key in requests])
        _insert_links([(topic_id, keys[key]) for topic_id, key in requests])


_insert_links = BulkInsert(
    ResponseTopic.source_messages.through, "responsetopic_id", "brokermessage_id"
)


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
