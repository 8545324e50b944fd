"""Messages that are not stored may be lost, but only with a fault, and subscribers are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.chaos.harness.history import PublishAnswered
from tests.chaos.harness.run import FINE, Run, some
from tests.chaos.harness.traces import Publish, Subscription

#: Seconds that a message, or the news that it is lost, may take behind the answer.
SETTLING: Final = 4.0
#: The same while nothing is broken.
SETTLING_IN_CALM: Final = 1.0
#: Seconds from a fault for which it may still be felt: so long a server may be deaf after its
#: channel layer came back, or forgot it.
AFTERMATH: Final = 4.0
#: Seconds in which a server that begins to listen hears of every sender, though much is lost. What
#: is lost of a sender before it was heard at all cannot be told.
ACQUAINTANCE: Final = 3.0


def loss_is_told(run: Run) -> Iterator[str]:
    """See that where nothing is stored, a subscription is told of all losses that it had.

    What it should have got are the messages that were sent wholly between the first and the last
    one that it did get.
    """
    for subscription in _unstored(run):
        lost = [each for each in _expected(run, subscription) if not _got(subscription, each)]
        told = sum(each.missed for each in subscription.deliveries[1:])
        if len(lost) > told:
            names = some([f"{each.invoked.message_id} ({each})" for each in lost])
            yield (
                f"{subscription} to topic {subscription.opened.topic} did not get {len(lost)} "
                f"messages, but was told of {told}: {names}."
            )
        else:
            yield FINE


def loss_needs_a_fault(run: Run) -> Iterator[str]:
    """See that where nothing is stored, nothing is lost while nothing is broken."""
    for subscription in _unstored(run):
        for publish in _expected(run, subscription):
            assert publish.end is not None
            start, end = publish.invoked.at - AFTERMATH, publish.end.at + AFTERMATH
            if run.is_faulty(start, end, subscription.opened.who, publish.invoked.who):
                continue
            if _got(subscription, publish):
                yield FINE
            else:
                yield (
                    f"{subscription} did not get message {publish.invoked.message_id} of topic "
                    f"{publish.invoked.topic}, sent by {publish} {run.when(publish.end.at)}, "
                    "though nothing was broken."
                )


def told_loss_is_real(run: Run) -> Iterator[str]:
    """See that a subscription is told of no more losses than messages can have been sent to it."""
    for subscription in _unstored(run):
        told = sum(each.missed for each in subscription.deliveries)
        sent = _perhaps_sent(run, subscription)
        got = len(subscription.deliveries)
        if told > max(0, sent - got):
            yield (
                f"{subscription} to topic {subscription.opened.topic} got {got} messages and was "
                f"told of {told} lost ones, but {sent} can have been sent."
            )
        else:
            yield FINE


def stored_is_never_missed(run: Run) -> Iterator[str]:
    """See that where messages are stored, no subscription is told that it lost some."""
    for subscription in run.subscriptions.values():
        if run.is_stored(subscription.opened.topic) and subscription.deliveries:
            told = [each for each in subscription.deliveries if each.missed]
            if told:
                yield (
                    f"{subscription} was told of {told[0].missed} lost messages before "
                    f"{told[0].message_id} of topic {told[0].topic}, which stores them."
                )
            else:
                yield FINE


# --- helpers ----------------------------------------------------------------------------------


def _unstored(run: Run) -> Iterator[Subscription]:
    for subscription in run.subscriptions.values():
        if run.policy(subscription.opened.topic) == "disabled" and subscription.deliveries:
            yield subscription


def _expected(run: Run, subscription: Subscription) -> Iterator[Publish]:
    first, last = subscription.deliveries[0].at, _last_sent(run, subscription)
    if run.is_faulty(subscription.opened.at - AFTERMATH, first + ACQUAINTANCE):
        first += ACQUAINTANCE
    for publish in run.sent_between(subscription.opened.topic, first, last):
        if (answer := publish.answered) is None:
            continue
        if _is_last_of_a_server(run, answer.at):
            continue
        is_calm = not run.is_faulty(answer.at - AFTERMATH, last, subscription.opened.who)
        if answer.at < last - (SETTLING_IN_CALM if is_calm else SETTLING):
            yield publish


def _is_last_of_a_server(run: Run, answered_at: float) -> bool:
    """Tell whether a server ended right behind the answer.

    A loss is told of by the next message of the same server, and there may be none.
    """
    return any(
        fault.ends_a_server and fault.began.at - SETTLING <= answered_at <= fault.ended_at
        for fault in run.faults
    )


def _last_sent(run: Run, subscription: Subscription) -> float:
    """Return a time before which the last delivery was sent, about."""
    delivery = subscription.deliveries[-1]
    # All deliveries may be late, where the machine is too slow. What comes in order is not lost.
    last = min(delivery.at, run.messages[delivery.topic, delivery.message_id].first_invoked)
    # What waited for a stopped client is written down when it goes on, whenever it came.
    stops = [
        fault.began.at
        for fault in run.faults
        if fault.client == subscription.opened.who
        and fault.began.at <= last <= fault.ended_at + SETTLING_IN_CALM
    ]
    return min(stops, default=last)


def _got(subscription: Subscription, publish: Publish) -> bool:
    return publish.invoked.message_id in subscription.message_ids


def _perhaps_sent(run: Run, subscription: Subscription) -> int:
    opened, last = subscription.opened.at - AFTERMATH, subscription.deliveries[-1].at
    return sum(
        # An attempt without an answer may be carried out at any time.
        not (isinstance(publish.end, PublishAnswered) and publish.end.at < opened)
        and not publish.refused
        for publish in run.sent_between(subscription.opened.topic, run.began, last)
    )
