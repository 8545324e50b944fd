"""What was acknowledged does not count, or what was not counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.chaos.harness.history import (
    AcknowledgeAnswered,
    Delivered,
    FinalRow,
    Record,
    SubscriptionOpened,
)
from tests.chaos.harness.run import Run
from tests.chaos.harness.traces import Acknowledge, Message
from tests.chaos.mutations import Change, find, messages, plain


def deliver_again(run: Run) -> Change:
    """Deliver to a user's next subscription what the user acknowledged, under ``store``."""
    acknowledge = find(_certain(run, "store"))
    return [], _deliver_at_the_end(run, acknowledge, acknowledge.invoked.user)


def deliver_to_another_what_one_took(run: Run) -> Change:
    """Deliver to another user what was acknowledged, under ``cache``."""
    acknowledge = find(_certain(run, "cache"))
    return [], _deliver_at_the_end(run, acknowledge, "somebody else")


def deliver_what_was_removed(run: Run) -> Change:
    """Deliver to somebody else what all consumers acknowledged, under ``cacheall``."""
    removing = find(each for each in _certain(run, "cacheall") if _answer(each).removed)
    return [], _deliver_at_the_end(run, removing, "somebody else")


def forget_an_acknowledgement(run: Run) -> Change:
    """Lose the note that a user acknowledged a message, under ``store``."""
    acknowledge = find(_certain(run, "store"))
    [row] = _message(run, acknowledge).rows
    users = set(row.acknowledged_by) - {acknowledge.invoked.user}
    return [row], [replace(row, acknowledged_by=tuple(users))]


def make_up_an_acknowledgement(run: Run) -> Change:
    """Note an acknowledgement that nobody sent."""
    [row] = plain(run, "store").rows
    return [row], [replace(row, acknowledged_by=(*row.acknowledged_by, "somebody else"))]


def keep_what_one_took(run: Run) -> Change:
    """Keep what was acknowledged, under ``cache``."""
    return [], [_row(run, _message(run, find(_certain(run, "cache"))))]


def keep_what_all_acknowledged(run: Run) -> Change:
    """Keep what all consumers acknowledged, under ``cacheall``."""
    message = find(
        each
        for each in messages(run, "cacheall")
        if each.acknowledged_by(certain=True) >= run.consumers(each.topic)
    )
    return [], [_row(run, message)]


def remove_before_all_acknowledged(run: Run) -> Change:
    """Remove what one of two consumers acknowledged, under ``cacheall``."""
    message = find(
        each
        for each in messages(run, "cacheall")
        if each.rows and len(each.acknowledged_by(certain=True)) == 1
    )
    return message.rows, []


def count_twice(run: Run) -> Change:
    """Answer a second acknowledgement of a user as the first one."""
    for message in messages(run, "store"):
        users = [each.invoked.user for each in message.acknowledges if _says(each, "ACKNOWLEDGED")]
        for second in message.acknowledges:
            if _says(second, "ALREADY_ACKNOWLEDGED") and second.invoked.user in users:
                return _answer_otherwise(second, "ACKNOWLEDGED")
    raise AssertionError("Nobody acknowledged twice.")


def not_find_what_is_kept(run: Run) -> Change:
    """Answer ``UNKNOWN`` for a message under ``store``."""
    return _answer_otherwise(find(_certain(run, "store")), "UNKNOWN")


def not_find_what_nobody_took(run: Run) -> Change:
    """Answer ``UNKNOWN`` to the only one who acknowledged a message, under ``cache``."""
    only = find(
        each for each in _certain(run, "cache") if len(_message(run, each).acknowledges) == 1
    )
    return _answer_otherwise(only, "UNKNOWN")


def not_find_what_another_waits_for(run: Run) -> Change:
    """Answer ``UNKNOWN`` while a consumer is still waited for, under ``cacheall``."""
    first = find(
        each
        for each in _certain(run, "cacheall")
        if _message(run, each).acknowledged_by() == {each.invoked.user}
    )
    return _answer_otherwise(first, "UNKNOWN")


# --- helpers ----------------------------------------------------------------------------------


def _certain(run: Run, policy: str) -> Iterator[Acknowledge]:
    return (
        each
        for each in run.acknowledges.values()
        if each.certain and run.policy(each.invoked.topic) == policy
    )


def _message(run: Run, acknowledge: Acknowledge) -> Message:
    return run.messages[acknowledge.invoked.topic, acknowledge.invoked.message_id]


def _answer(acknowledge: Acknowledge) -> AcknowledgeAnswered:
    assert acknowledge.answered is not None
    return acknowledge.answered


def _says(acknowledge: Acknowledge, status: str) -> bool:
    return acknowledge.answered is not None and acknowledge.answered.status == status


def _answer_otherwise(acknowledge: Acknowledge, status: str) -> Change:
    answer = _answer(acknowledge)
    return [answer], [replace(answer, status=status, removed=False)]  # type: ignore[arg-type]


def _deliver_at_the_end(run: Run, acknowledge: Acknowledge, user: str) -> list[Record]:
    invoked = acknowledge.invoked
    message = _message(run, acknowledge)
    opened = SubscriptionOpened(
        at=run.drained - 0.002,
        who="late",
        subscription="late/1",
        topic=invoked.topic,
        user=user,
        start="OUTSTANDING",
    )
    delivered = Delivered(
        at=run.drained - 0.001,
        who="late",
        subscription="late/1",
        topic=invoked.topic,
        message_id=invoked.message_id,
        text=message.publishes[0].invoked.text,
        sequence=message.sequence,
    )
    return [opened, delivered]


def _row(run: Run, message: Message) -> FinalRow:
    assert message.sequence is not None
    return FinalRow(
        at=run.drained,
        topic=message.topic,
        message_id=message.message_id,
        sequence=message.sequence,
        acknowledged_by=tuple(message.acknowledged_by(certain=True)),
    )
