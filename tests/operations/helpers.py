"""Short words for what the tests of the verbs do all the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dasf_broker import primary
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.acknowledge import Acknowledged, Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish, publish_batch
from dasf_broker.operations.upkeep import schedule
from dasf_broker.operations.upkeep.schedule import Report


def publication(user: User | Caller, slug: str = "topic", **parts: Any) -> Publication:
    """Return a message that the user wants to publish."""
    caller = user if isinstance(user, Caller) else Caller(user)
    return Publication(caller, slug, Envelope.compose(max_size=10_000, **parts))


def send(user: User | Caller, slug: str = "topic", **parts: Any) -> Published:
    """Publish a message as the user."""
    return publish(publication(user, slug, **parts))


def send_many(user: User, count: int, slug: str = "topic", **parts: Any) -> list[UUID]:
    """Publish messages in one batch; return their ids in order."""
    outcomes = publish_batch(
        [publication(user, slug, data=number, **parts) for number in range(count)]
    )
    return [published(outcome).message.message_id for outcome in outcomes]


def published(outcome: Published | BrokerError) -> Published:
    """Return an outcome that is no error."""
    assert isinstance(outcome, Published), outcome
    return outcome


def ack(user: User, message_id: UUID, slug: str = "topic") -> Acknowledged:
    """Acknowledge a message as the user."""
    return acknowledge(Acknowledging(Caller(user), slug, message_id))


def codes(outcomes: list[Any]) -> list[str]:
    """Return what became of each item of a batch: its status, or the code of its error."""
    return [
        outcome.code if isinstance(outcome, BrokerError) else outcome.status.value
        for outcome in outcomes
    ]


def stored(topic: BrokerTopic) -> list[UUID]:
    """Return the ids of the stored messages, in order."""
    return list(topic.brokermessage_set.order_by("sequence").values_list("message_id", flat=True))


def delivered(message_id: UUID) -> set[str]:
    """Return the names of who acknowledged a stored message."""
    message = BrokerMessage.objects.get(message_id=message_id)
    return set(message.delivered_to.values_list("username", flat=True))


def queries(call: Callable[[], Any]) -> int:
    """Return how many queries a call makes, savepoints not counted."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)


def housekeeping_round(now: datetime | None = None) -> Report:
    """Do the housekeeping once; return what was done."""
    return sum(schedule.steps(now or timezone.now()), Report())


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo everything at the end: for the examples of Hypothesis, which share one test."""
    with primary.atomic():
        yield
        transaction.set_rollback(True, using=primary.alias())


def restore(topic: BrokerTopic, sequence: int) -> None:
    """Go back to the message with this sequence, as a backup from then would."""
    topic.brokermessage_set.filter(sequence__gt=sequence).delete()
    BrokerTopic.objects.filter(pk=topic.pk).update(last_sequence=sequence, epoch=topic.epoch)
