"""Publish messages: check rights, apply the storage rule, write, and announce."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dasf_broker import app_settings, clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.envelope import ANSWER_TYPES, Envelope
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import is_stored
from dasf_broker.exceptions import BrokerError, ConflictError
from dasf_broker.models import BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.access import AccessTable
from dasf_broker.operations.auto_create import (
    Request,
    check_response_topic,
    ensure_response_topics,
    find_or_create,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.drafts import Draft, Target, admit
from dasf_broker.operations.new_topics import NewTopics
from dasf_broker.operations.publications import Publication, again_without_absent_users
from dasf_broker.operations.storage.capacity import Capacity
from dasf_broker.operations.storage.deduplication import known_messages, message_keys
from dasf_broker.operations.storage.events import message_event
from dasf_broker.operations.storage.response_topics import may_be_put_off
from dasf_broker.realtime.announcer import announce_on_commit
from dasf_broker.signals import message_published, send_on_commit
from dasf_broker.sql.bulk_insert import BulkInsert
from dasf_broker.sql.compiled import Update

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: By caller, slug, and slug of the response topic.
_Targets: TypeAlias = dict[tuple[Caller, str, str | None], Target]


@again_without_absent_users
@retried
def publish_batch(publications: Sequence[Publication]) -> list[Published | BrokerError]:
    """Publish messages in one transaction, in the given order.

    A message that cannot be published gets its error; the others are published all the same. The
    number of queries does not grow with the batch, apart from topics that are created and are no
    response topics. Returns the outcome of each publication, in order.
    """
    with primary.atomic():
        new = NewTopics(AccessTable([*_named(publications)]), publications)
        targets: _Targets = {}
        drafts = [_draft(new, targets, each) for each in publications]
        accepted = [draft for draft in drafts if isinstance(draft, Draft)]
        capacity = _lock(accepted)
        _decide(new, accepted, capacity)
        _insert([draft for draft in accepted if draft.row is not None], capacity.last_sequences)
        outcomes = [draft.outcome if isinstance(draft, Draft) else draft for draft in drafts]
        _announce(outcomes)
    return outcomes  # type: ignore[return-value]


def publish(publication: Publication) -> Published:
    """Publish one message.

    Raises
    ------
    BadInputError
        The topic is not a slug, or a new response topic may not have its name.
    NotFoundError, ForbiddenError
        The caller may not see the topic, or not publish to it, or not ask for answers.
    ConflictError
        The message id belongs to another message, the response topic's name is taken, or the
        topic takes answers only.
    RateLimitedError
        The message would create a topic, and the caller created too many.
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
    return publish(Publication(Caller.of(user), slug, envelope, is_limited=False))


def deliver_again(messages: Iterable[BrokerMessage]) -> None:
    """Send stored messages again to current subscribers."""
    announce_on_commit([message_event(message, again=True) for message in messages])


# --- the steps of a batch, in order -----------------------------------------------------------


def _named(publications: Iterable[Publication]) -> Iterator[tuple[Caller, str]]:
    for each in publications:
        yield each.caller, each.slug
        if (name := each.envelope.response_topic) is not None:
            yield each.caller, name


def _draft(new: NewTopics, targets: _Targets, publication: Publication) -> Draft | BrokerError:
    answers = publication.envelope.response_topic
    key = publication.caller, publication.slug, answers
    try:
        target = targets.get(key) or _find_target(new, publication, answers)
        _check_type(target.topic, publication.envelope)
    except BrokerError as error:
        return error
    targets[key] = replace(target, topic_created=False) if target.topic_created else target
    return Draft(publication, target, target.response_topic)


def _find_target(new: NewTopics, publication: Publication, answers: str | None) -> Target:
    caller, slug = publication.caller, check_slug(publication.slug)
    found, created = find_or_create(new, caller, slug, answers=answers)
    found.require(found.rights.may_produce, to="publish to")
    # It is created later, when the message can no longer be refused.
    request = Request(caller, answers, found.topic) if answers else None
    existing = check_response_topic(new, request) if request else None
    return Target(found.topic, is_stored(found.topic.storage_policy), existing, created)


def _check_type(topic: BrokerTopic, envelope: Envelope) -> None:
    # A stranger may have given their response topic the name that this message means.
    if topic.is_response_topic and envelope.message_type not in ANSWER_TYPES:
        known = ", ".join(each.value for each in ANSWER_TYPES)
        raise ConflictError(
            f"{topic.slug!r} is a response topic, which takes answers only (messageType {known}), "
            f"and no {envelope.message_type.value}. Give an answer its type, or choose another "
            "topic."
        )


def _lock(drafts: Sequence[Draft]) -> Capacity:
    stored = [draft.topic.pk for draft in drafts if draft.target.is_stored]
    # A new response topic refers to its source; one whose removal is put off is updated.
    sources = {
        draft.topic.pk
        for draft in drafts
        if draft.response_topic is None and draft.publication.envelope.response_topic
    }
    now = clock.now()
    marked = {
        draft.response_topic.pk
        for draft in drafts
        if draft.response_topic and may_be_put_off(draft.response_topic, now)
    }
    return Capacity({*stored, *sources, *marked}, stored)


def _decide(new: NewTopics, drafts: Sequence[Draft], capacity: Capacity) -> None:
    keys = [draft.key for draft in drafts if draft.target.is_stored]
    known, now = known_messages(keys) if keys else {}, clock.now()
    admit(drafts, capacity, dict(known), now)
    while not _find_answers(new, drafts):
        # Another process took a name at this moment. Without those messages it is all different.
        capacity.restart()
        drafts = [draft for draft in drafts if draft.refusal is None]
        admit(drafts, capacity, dict(known), now)
    for draft in drafts:
        if draft.outcome is None:
            draft.finish(now)


def _find_answers(new: NewTopics, drafts: Iterable[Draft]) -> bool:
    """Find or create the response topics of the messages; return whether all have theirs."""
    asking = [
        (draft, draft.request)
        for draft in drafts
        if draft.outcome is None and draft.request is not None
    ]
    found = ensure_response_topics(new, [request for _, request in asking]) if asking else ()
    for (draft, _), each in zip(asking, found, strict=True):
        if isinstance(each, BrokerError):
            draft.refuse(each)
        else:
            draft.response_topic = each
    return all(draft.refusal is None for draft, _ in asking)


def _insert(drafts: Sequence[Draft], last_sequences: Mapping[int, int]) -> None:
    if not drafts:
        return
    _insert_messages([_columns(draft) for draft in drafts])
    topics = {draft.topic.pk for draft in drafts}
    _set_last_sequence.many([(last_sequences[topic_id], topic_id) for topic_id in sorted(topics)])
    _link_requests(drafts)


_insert_messages = BulkInsert(
    BrokerMessage,
    *("topic_id", "message_id", "sequence", "fingerprint", "user_id", "date_created"),
    *("message_type", "context", "content", "size"),
)
_set_last_sequence: Update[int, int] = Update(
    "last_sequence", lambda topic_id: BrokerTopic.objects.filter(pk=topic_id)
)


def _columns(draft: Draft) -> tuple[Any, ...]:
    said = draft.publication.envelope
    row = cast("Any", draft.row)
    return (*row, said.message_type.value, said.context, said.content, said.size)


def _link_requests(drafts: Iterable[Draft]) -> None:
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
