"""All subscribers receive messages in one order, in which they were stored, and none twice."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.harness.run import FINE, Run
from tests.chaos.harness.traces import Message, Subscription


def subscriptions_are_in_order(run: Run) -> Iterator[str]:
    """See that within a subscription the sequences only grow."""
    for subscription in run.subscriptions.values():
        numbered = [each for each in subscription.deliveries if each.sequence is not None]
        for first, second in pairwise(numbered):
            assert first.sequence is not None
            assert second.sequence is not None
            # The same message once more is the business of `delivered_once`.
            if second.sequence >= first.sequence:
                yield FINE
            else:
                yield (
                    f"{subscription} got message {second.message_id} (sequence {second.sequence}) "
                    f"{run.when(second.at)} after {first.message_id} (sequence {first.sequence})."
                )


def delivered_once(run: Run) -> Iterator[str]:
    """See that within a subscription no message comes twice.

    Where nothing is stored, nobody can know that a message is a repeated one: there it comes at
    most as often as it was published.
    """
    for subscription in run.subscriptions.values():
        for message, count in _counts(run, subscription):
            allowed = 1
            if not run.is_stored(message.topic):
                allowed = max(1, sum(not each.refused for each in message.publishes))
            yield FINE if count <= allowed else f"{subscription} got {message} {count} times."


def one_message_one_sequence(run: Run) -> Iterator[str]:
    """See that a message has one sequence wherever it is told, and no other message has it."""
    owners: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for message in run.messages.values():
        told = dict(message.sequences())
        for sequence in told:
            owners[message.topic, sequence].add(message.message_id)
        if told:
            yield FINE if len(told) == 1 else f"{message} has several sequences: {told}."
    for (topic, sequence), message_ids in owners.items():
        last = run.topics[topic].last_sequence if topic in run.topics else math.inf
        if len(message_ids) > 1:
            names = ", ".join(sorted(message_ids))
            yield f"Sequence {sequence} of topic {topic} belongs to several messages: {names}."
        elif sequence > last:
            [name] = message_ids
            yield f"Topic {topic} ends at sequence {last}, but message {name} has {sequence}."
        else:
            yield FINE


def sequences_follow_time(run: Run) -> Iterator[str]:
    """See that a message that was there before another one was sent has the smaller sequence."""
    for messages in run.messages_of.values():
        numbered = [each for each in messages if each.sequence is not None and each.publishes]
        # From the end, with whichever was there earliest among all with a greater sequence.
        earliest: Message | None = None
        for message in sorted(numbered, key=_sequence, reverse=True):
            if earliest is not None and earliest.first_seen < message.first_invoked:
                yield (
                    f"{earliest} was there {run.when(earliest.first_seen)}, {message} was sent "
                    f"only {run.when(message.first_invoked)}, but has the smaller sequence."
                )
            else:
                yield FINE
            if earliest is None or message.first_seen < earliest.first_seen:
                earliest = message


def _sequence(message: Message) -> int:
    return message.sequence or 0


def _counts(run: Run, subscription: Subscription) -> Iterator[tuple[Message, int]]:
    counts = Counter((each.topic, each.message_id) for each in subscription.deliveries)
    for key, count in counts.items():
        yield run.messages[key], count
