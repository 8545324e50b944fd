"""Acknowledgements are kept for ever, and no others exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.harness.history import SubscriptionOpened
from tests.chaos.harness.run import FINE, Run
from tests.chaos.harness.traces import Acknowledge, Message


def acknowledged_stays_away(run: Run) -> Iterator[str]:
    """See that what a user acknowledged does not come again on the user's next subscription.

    From ``OUTSTANDING``, that is. What an acknowledgement removed comes to nobody any more.
    """
    for message in _stored(run):
        removes = run.policy(message.topic) == "cache"
        for acknowledge in message.acknowledges:
            if not acknowledge.certain:
                continue
            answer = acknowledge.answered
            assert answer is not None
            gone = removes or bool(answer.removed)
            again = [
                (subscription, delivered)
                for subscription, delivered in message.deliveries
                if subscription.opened.at > answer.at
                and (gone or _is_outstanding(subscription.opened, acknowledge.invoked.user))
            ]
            for subscription, delivered in again:
                yield (
                    f"{message}: {acknowledge} was answered {answer.status} "
                    f"{run.when(answer.at)}, {subscription}, opened "
                    f"{run.when(subscription.opened.at)}, got it {run.when(delivered.at)}."
                )
            if not again:
                yield FINE


def acknowledgements_are_kept(run: Run) -> Iterator[str]:
    """See that what is stored at the end, and acknowledged, is what the storage rule says."""
    for message in _stored(run):
        certain, possible = message.acknowledged_by(certain=True), message.acknowledged_by()
        for row in message.rows:
            kept = set(row.acknowledged_by)
            if lost := certain - kept:
                yield f"{message} is stored without the acknowledgements of {_names(lost)}."
            elif invented := kept - possible:
                yield f"{message} is stored as acknowledged by {_names(invented)}, who did not."
            else:
                yield FINE
        yield from _is_kept_or_removed(run, message, certain, possible)
        yield from _counts_once(message)


def acknowledgements_find_their_message(run: Run) -> Iterator[str]:
    """See that an acknowledgement is answered ``UNKNOWN`` only if others removed the message."""
    for message in _stored(run):
        for acknowledge in message.acknowledges:
            answer = acknowledge.answered
            if answer is None or message.first_seen > acknowledge.invoked.at:
                continue
            others = message.acknowledged_by(before=answer.at)
            if answer.status == "UNKNOWN" and not _may_be_removed(run, message, others):
                yield (
                    f"{message}: {acknowledge} was answered UNKNOWN {run.when(answer.at)}, but "
                    f"only {_names(others) or 'nobody'} had acknowledged it, under "
                    f"{run.policy(message.topic)}."
                )
            else:
                yield FINE


# --- helpers ----------------------------------------------------------------------------------


def _stored(run: Run) -> Iterator[Message]:
    return (each for each in run.messages.values() if run.is_stored(each.topic))


def _names(users: set[str]) -> str:
    return ", ".join(sorted(users))


def _is_outstanding(opened: SubscriptionOpened, user: str) -> bool:
    return opened.user == user and opened.start == "OUTSTANDING"


def _may_be_removed(run: Run, message: Message, users: set[str]) -> bool:
    match run.policy(message.topic):
        case "cache":
            return bool(users)
        case "cacheall":
            consumers = run.consumers(message.topic)
            return bool(consumers) and consumers <= users
        case _:
            return False


def _is_kept_or_removed(
    run: Run, message: Message, certain: set[str], possible: set[str]
) -> Iterator[str]:
    policy = run.policy(message.topic)
    if message.rows and _may_be_removed(run, message, certain):
        yield f"{message} is still stored under {policy}, though {_names(certain)} acknowledged it."
    elif not message.rows and message.acknowledges and not _may_be_removed(run, message, possible):
        yield f"{message} is gone under {policy}, though only {_names(possible)} acknowledged it."
    elif message.acknowledges:
        yield FINE


def _counts_once(message: Message) -> Iterator[str]:
    answers = [each for each in message.acknowledges if _is_first(each)]
    for user, count in Counter(each.invoked.user for each in answers).items():
        if count > 1:
            yield f"{message}: {count} acknowledgements of {user} were answered as the first one."
        else:
            yield FINE


def _is_first(acknowledge: Acknowledge) -> bool:
    answer = acknowledge.answered
    return answer is not None and answer.status == "ACKNOWLEDGED"
