"""What was answered to publishers is not true."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.harness.history import Delivered, FinalRow, PublishRefused
from tests.chaos.harness.run import Run
from tests.chaos.harness.traces import Message, Publish
from tests.chaos.mutations import (
    Change,
    answer_of,
    deliveries,
    find,
    messages,
    plain,
    subscriptions,
)


def lose_a_row(run: Run) -> Change:
    """Lose an answered message under ``store``."""
    return plain(run, "store").rows, []


def lose_what_nobody_acknowledged(run: Run) -> Change:
    """Lose an answered message under ``cache`` of which nobody is done."""
    message = find(
        each
        for each in messages(run, "cache")
        if each.stored and each.rows and not each.acknowledges
    )
    return message.rows, []


def lose_what_was_only_delivered(run: Run) -> Change:
    """Lose a message that was delivered, though its publisher got no answer."""
    message = plain(run, "store")
    return [*message.rows, answer_of(message)], []


def deliver_to_nobody(run: Run) -> Change:
    """Deliver an answered message to nobody, under ``cache``."""
    message = find(
        each
        for each in messages(run, "cache")
        if each.stored and each.rows and each.deliveries and not each.acknowledges
    )
    return [delivered for _, delivered in message.deliveries], []


def deliver_to_one_user_only(run: Run) -> Change:
    """Deliver an answered message to one of several users, under ``store``."""
    return [each for who, each in plain(run, "store").deliveries if who.opened.user == "bob"], []


def deliver_what_nobody_sent(run: Run) -> Change:
    """Deliver a message that nobody published."""
    delivered = find(deliveries(run, "store"))
    return [], [replace(delivered, message_id="nobody's", sequence=None)]


def deliver_before_it_is_sent(run: Run) -> Change:
    """Deliver a message before its publisher asks."""
    subscription, delivered = plain(run, "store").deliveries[0]
    return [delivered], [replace(delivered, at=subscription.opened.at + 0.0001)]


def deliver_another_text(run: Run) -> Change:
    """Deliver a message with a text that nobody gave it."""
    delivered = find(deliveries(run, "disabled"))
    return [delivered], [replace(delivered, text="something else")]


def deliver_of_another_topic(run: Run) -> Change:
    """Let a subscription get a message of another topic."""
    delivered = find(deliveries(run, "cacheall"))
    listener = find(each for each in subscriptions(run, "store") if each.deliveries).opened
    there = replace(delivered, at=run.drained, who=listener.who, subscription=listener.subscription)
    return [], [there]


def store_what_nobody_sent(run: Run) -> Change:
    """Store a message that nobody published."""
    return [], [replace(plain(run, "store").rows[0], message_id="nobody's")]


def deliver_what_was_refused(run: Run) -> Change:
    """Deliver a message that was refused."""
    invoked = _refused(run).invoked
    listener = find(subscriptions(run, invoked.topic)).opened
    delivered = Delivered(
        at=run.drained,
        who=listener.who,
        subscription=listener.subscription,
        topic=invoked.topic,
        message_id=invoked.message_id,
        text=invoked.text,
    )
    return [], [delivered]


def store_what_was_refused(run: Run) -> Change:
    """Store a message that was refused."""
    invoked = _refused(run).invoked
    return [], [
        FinalRow(at=run.drained, topic=invoked.topic, message_id=invoked.message_id, sequence=1)
    ]


def store_twice(run: Run) -> Change:
    """Store a message twice."""
    message = plain(run, "store")
    return [], [replace(message.rows[0], at=run.drained)]


def store_twice_in_words(run: Run) -> Change:
    """Answer ``STORED`` to a second attempt too."""
    answer = _retry(run).answered
    assert answer is not None
    return [answer], [replace(answer, status="STORED")]


def take_a_retry_for_another_message(run: Run) -> Change:
    """Answer ``CONFLICT`` to a message that is published again."""
    answer = _retry(run).answered
    assert answer is not None
    operation = answer.operation
    refused = PublishRefused(at=answer.at, who=answer.who, operation=operation, code="CONFLICT")
    return [answer], [refused]


def _refused(run: Run) -> Publish:
    return find(
        each
        for each in run.publishes.values()
        if each.refused and run.is_stored(each.invoked.topic)
    )


def _retry(run: Run) -> Publish:
    return find(
        retry
        for message in run.messages.values()
        if _begins_with_an_answer(message)
        for retry in message.publishes[1:]
        if retry.stored
    )


def _begins_with_an_answer(message: Message) -> bool:
    return bool(message.publishes) and message.publishes[0].is_first
