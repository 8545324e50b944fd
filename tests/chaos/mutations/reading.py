"""Subscribers do not see one order, once, without gaps, or not in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from tests.chaos.harness.history import Delivered, PublishAnswered, PublishUnknown, Record
from tests.chaos.harness.run import Run
from tests.chaos.harness.traces import Message, Publish, Subscription
from tests.chaos.mutations import (
    Change,
    answer_of,
    deliveries,
    find,
    messages,
    plain,
    subscriptions,
)

# --- order ------------------------------------------------------------------------------------


def swap_two_deliveries(run: Run) -> Change:
    """Deliver two messages in the wrong order."""
    several = find(each for each in subscriptions(run, "cache") if len(each.deliveries) > 1)
    first, second = several.deliveries[:2]
    return [first, second], [replace(first, at=second.at), replace(second, at=first.at)]


def deliver_twice(run: Run) -> Change:
    """Deliver a stored message twice to a subscription, at once."""
    delivered = find(deliveries(run, "cacheall"))
    return [], [replace(delivered, at=delivered.at + 0.0001)]


def deliver_twice_what_nobody_stores(run: Run) -> Change:
    """Deliver a message twice that was published once, on a topic that stores nothing."""
    delivered = find(
        each
        for each in deliveries(run, "disabled")
        if len(run.messages[each.topic, each.message_id].publishes) == 1
    )
    return [], [replace(delivered, at=delivered.at + 0.0001)]


def tell_two_sequences(run: Run) -> Change:
    """Tell another sequence of a message to the publisher."""
    answer = answer_of(plain(run, "store"))
    return [answer], [replace(answer, sequence=(answer.sequence or 0) + 1)]


def give_a_sequence_twice(run: Run) -> Change:
    """Give two messages the same sequence."""
    first, second = _two_stored(run)
    return _renumber((second, first.sequence))


def go_beyond_the_last_sequence(run: Run) -> Change:
    """Give a message a sequence that its topic does not know of."""
    return _renumber((plain(run, "store"), 10**6))


def swap_two_sequences(run: Run) -> Change:
    """Store two messages in the wrong order, and say so everywhere."""
    first, second = _two_stored(run)
    return _renumber((first, second.sequence), (second, first.sequence))


# --- reading on -------------------------------------------------------------------------------


def leave_a_hole(run: Run) -> Change:
    """Leave out a message in the middle of what the reader gets."""
    several = find(each for each in _resumed(run) if len(each.deliveries) > 2)
    return [several.deliveries[1]], []


def leave_a_hole_at_a_break(run: Run) -> Change:
    """Leave out the first message after the reader came back."""
    return [find(_resumed(run)).deliveries[0]], []


def leave_out_the_end(run: Run) -> Change:
    """Leave out the last message, though the reader is still there."""
    last = find(each for each in _resumed(run) if run.listens_to_the_end(each))
    return [last.deliveries[-1]], []


def repeat_after_a_break(run: Run) -> Change:
    """Deliver the last message once more after the reader came back."""
    opened = find(_resumed(run)).opened
    before = find(each for each in deliveries(run, "store") if each.sequence == opened.after)
    again = replace(before, who=opened.who, subscription=opened.subscription, at=opened.at + 0.0001)
    return [], [again]


def refuse_to_resume(run: Run) -> Change:
    """Say that a cursor expired under ``store``, where nothing goes."""
    ended = find(each.ended for each in _resumed(run) if each.ended)
    return [ended], [replace(ended, reason="CURSOR_EXPIRED")]


# --- topics that store nothing ----------------------------------------------------------------


def lose_in_silence(run: Run) -> Change:
    """Do not tell subscribers what they lost while something was broken."""
    told = [each for each in deliveries(run, "disabled") if each.missed]
    return told, [replace(each, missed=0) for each in told]


def lose_for_no_reason(run: Run) -> Change:
    """Lose a message while nothing is broken, and tell it."""
    for subscription in subscriptions(run, "disabled"):
        last = subscription.deliveries[-1].at if subscription.deliveries else 0.0
        for lost, following in pairwise(subscription.deliveries[1:]):
            calm = not run.is_faulty(lost.at - 4, lost.at + 4, lost.who)
            message = run.messages[lost.topic, lost.message_id]
            if calm and lost.at < last - 2 and _is_answered_once(message):
                return [lost, following], [replace(following, missed=following.missed + 1)]
    raise AssertionError("There is always something broken.")


def make_up_a_loss(run: Run) -> Change:
    """Tell of more losses than there can be."""
    delivered = find(deliveries(run, "disabled"))
    return [delivered], [replace(delivered, missed=10**6)]


def miss_what_is_stored(run: Run) -> Change:
    """Drop a message of a slow subscriber, under ``store``."""
    delivered = find(deliveries(run, "store"))
    return [delivered], [replace(delivered, missed=1)]


# --- time -------------------------------------------------------------------------------------


def deliver_only_by_polling(run: Run) -> Change:
    """Deliver messages only by polling the database, on all topics."""
    return _late([each for who in run.subscriptions.values() for each in who.deliveries])


def deliver_only_by_polling_on_one_topic(run: Run) -> Change:
    """Deliver messages only by polling the database, on one topic."""
    return _late([*deliveries(run, "store")])


def leave_with_nothing(run: Run) -> Change:
    """Deliver nothing to subscribers that leave before the next poll."""
    gone = [each for each in run.subscriptions.values() if each.ended]
    return [delivered for each in gone for delivered in each.deliveries], []


def answer_late(run: Run) -> Change:
    """Answer a publisher after eleven seconds."""
    answer = answer_of(plain(run, "store"))
    return [answer], [replace(answer, at=answer.at + 11)]


def acknowledge_late(run: Run) -> Change:
    """Answer an acknowledgement after eleven seconds."""
    answer = find(each.answered for each in run.acknowledges.values() if each.answered)
    return [answer], [replace(answer, at=answer.at + 11)]


def be_unavailable_late(run: Run) -> Change:
    """Answer ``UNAVAILABLE`` after eleven seconds, whatever is broken."""
    publish = find(each for each in run.publishes.values() if isinstance(each.end, PublishUnknown))
    return _give_up(publish, "UNAVAILABLE")


def never_answer(run: Run) -> Change:
    """Let a publisher give up waiting, though nothing is broken."""

    def in_calm(publish: Publish) -> bool:
        at = publish.invoked.at
        return isinstance(publish.end, PublishUnknown) and not run.is_faulty(at - 6, at + 12)

    return _give_up(find(each for each in run.publishes.values() if in_calm(each)), "time-out")


# --- helpers ----------------------------------------------------------------------------------


def _two_stored(run: Run) -> tuple[Message, Message]:
    stored = [each for each in messages(run, "cache") if each.stored and each.deliveries]
    return stored[0], stored[-1]


def _renumber(*pairs: tuple[Message, int | None]) -> Change:
    old: list[Record] = []
    new: list[Record] = []
    for message, sequence in pairs:
        for row in message.rows:
            old.append(row)
            new.append(replace(row, sequence=sequence or 0))
        told: list[PublishAnswered | Delivered] = [
            each.answered for each in message.publishes if each.stored and each.answered
        ]
        told += [delivered for _, delivered in message.deliveries]
        old += told
        new += [replace(record, sequence=sequence) for record in told]
    return old, new


def _resumed(run: Run) -> Iterator[Subscription]:
    for each in subscriptions(run, "store"):
        if each.opened.start == "AFTER" and each.deliveries:
            yield each


def _is_answered_once(message: Message) -> bool:
    return len(message.publishes) == 1 and message.publishes[0].answered is not None


def _late(delivered: list[Delivered]) -> Change:
    return delivered, [replace(each, at=each.at + 0.9) for each in delivered]


def _give_up(publish: Publish, reason: str) -> Change:
    assert publish.end is not None
    late = PublishUnknown(
        at=publish.invoked.at + 11,
        who=publish.invoked.who,
        operation=publish.invoked.operation,
        reason=reason,
    )
    return [publish.end], [late]
