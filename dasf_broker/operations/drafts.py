"""Messages on their way through the transaction of a batch, and which of them are admitted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.fingerprints import fingerprint
from dasf_broker.domain.modules import warning_about
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.exceptions import BrokerError, ConflictError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.auto_create import Request
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.storage.capacity import Capacity
from dasf_broker.operations.storage.deduplication import Key, KnownMessage
from dasf_broker.operations.storage.events import new_event


@dataclass(frozen=True, slots=True)
class Target:
    """The topic of a caller's messages: found once for all of them in a batch."""

    topic: BrokerTopic
    is_stored: bool
    #: ``None`` if it does not exist yet, or none is named.
    response_topic: BrokerTopic | None
    topic_created: bool


@dataclass(slots=True)
class Draft:
    """A publication on its way through the transaction."""

    publication: Publication
    target: Target
    response_topic: BrokerTopic | None
    #: The row of a message with the same id: it is a duplicate of that.
    first: KnownMessage | None = None
    #: The row to write.
    row: KnownMessage | None = None
    #: Why there is no topic for its answers.
    refusal: BrokerError | None = None
    outcome: Published | BrokerError | None = None

    @property
    def topic(self) -> BrokerTopic:
        """The topic of the message."""
        return self.target.topic

    @property
    def caller(self) -> Caller:
        """The caller that publishes it."""
        return self.publication.caller

    @property
    def key(self) -> Key:
        """What tells the message from all others."""
        return self.topic.pk, self.publication.envelope.message_id

    @property
    def request(self) -> Request | None:
        """What it says about its answers, if it asks for some."""
        answers = self.publication.envelope.response_topic
        return None if answers is None else Request(self.caller, answers, self.topic)

    def finish(self, now: datetime) -> None:
        """Note that it is published."""
        if self.first is not None:
            # It says the same as the first one, whose content is not needed and may be gone.
            self._finish(PublishStatus.DUPLICATE, self.first.sequence, self.first.published)
        elif self.row is not None:
            self._finish(PublishStatus.STORED, self.row.sequence, self.row.published)
        else:
            self._finish(PublishStatus.SENT, None, now)

    def refuse(self, error: BrokerError) -> None:
        """Note that it is refused, because there is no topic for its answers."""
        self.outcome = self.refusal = error
        self.row = None

    def _finish(self, status: PublishStatus, sequence: int | None, published: datetime) -> None:
        user, envelope = self.caller.user_or_none, self.publication.envelope
        message = new_event(user, self.topic, envelope, sequence, published)
        answers = self.response_topic.slug if self.response_topic else None
        warning = _warning(self.topic, envelope)
        self.outcome = Published(message, status, self.target.topic_created, answers, warning)


def _warning(topic: BrokerTopic, envelope: Envelope) -> str | None:
    # Only modules answer pings. Other consumers take any message.
    has_modules = topic.supports_dasf and topic.last_pong and not topic.is_response_topic
    return warning_about(topic.slug, envelope.properties) if has_modules else None


def admit(
    drafts: Iterable[Draft], capacity: Capacity, known: dict[Key, KnownMessage], now: datetime
) -> None:
    """Decide which messages are published, as far as their topics and ids say.

    Parameters
    ----------
    drafts
        The messages, in order. A refused one gets its error as its outcome; the others get the row
        to write, or that of the message that they repeat.
    capacity
        The capacity of their topics.
    known
        The messages with the same ids; the new ones are added.
    now
        The time of publication.
    """
    for draft in drafts:
        draft.first = draft.row = draft.outcome = None
        try:
            _admit_one(draft, capacity, known, now)
        except BrokerError as error:
            draft.outcome = error


def _admit_one(
    draft: Draft, capacity: Capacity, known: dict[Key, KnownMessage], now: datetime
) -> None:
    capacity.check_exists(draft.topic)
    if not draft.target.is_stored:
        return
    first = known.get(draft.key)
    if first is not None:
        _check_same(draft, first)
        draft.first = first
        return
    capacity.check_not_full(draft.topic)
    draft.row = row = _row(draft, capacity.next_sequence(draft.topic), now)
    known[draft.key] = row


def _check_same(draft: Draft, first: KnownMessage) -> None:
    if not first.is_same(draft.publication.envelope, draft.caller.row_key):
        raise ConflictError(
            f"Another message has the id {first.message_id}; give every message its own."
        )


def _row(draft: Draft, sequence: int, now: datetime) -> KnownMessage:
    topic_id, message_id = draft.key
    said = fingerprint(draft.publication.envelope.content)
    return KnownMessage(topic_id, message_id, sequence, said, draft.caller.row_key, now)
