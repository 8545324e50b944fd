"""The answers to publishers are true."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.harness.run import FINE, Run
from tests.chaos.harness.traces import Message, Publish


def answered_is_kept(run: Run) -> Iterator[str]:
    """See that a message that was answered as stored, or delivered, is there until it may go."""
    for message in run.messages.values():
        policy = run.policy(message.topic)
        if policy == "disabled" or (message.stored is None and not message.deliveries):
            continue
        may_be_gone = policy in {"cache", "cacheall"} and message.acknowledged_by()
        if message.rows or may_be_gone:
            yield FINE
        else:
            yield (
                f"{message} under {policy} is not stored at the end and nobody acknowledged it; "
                f"{_proof(run, message)}."
            )


def answered_is_delivered(run: Run) -> Iterator[str]:
    """See that a stored message is delivered to every consumer that listens on until the end.

    Under ``cache`` to one of them. A consumer listens if it has a subscription from
    ``OUTSTANDING`` that is open when everything has been drained.
    """
    for topic, messages in run.messages_of.items():
        if not run.is_stored(topic) or not (listeners := _listeners(run, topic)):
            continue
        for message in messages:
            if message.stored is not None and message.stored.at < run.drained:
                yield from _is_delivered(run, message, listeners)


def nothing_from_nowhere(run: Run) -> Iterator[str]:
    """See that what is delivered or stored was published before, to this topic, with this text."""
    for message in run.messages.values():
        texts = {each.invoked.text for each in message.publishes}
        for subscription, delivered in message.deliveries:
            if not message.publishes or delivered.at < message.first_invoked:
                yield f"{subscription} got {message}, which nobody had published there."
            elif subscription.opened.topic != message.topic:
                yield f"{subscription} to topic {subscription.opened.topic} got {message}."
            elif delivered.text not in texts:
                yield f"{subscription} got {message} with the text {delivered.text[:80]!r}."
            else:
                yield FINE
        for _ in message.rows:
            yield FINE if message.publishes else f"{message} is stored, but nobody published it."


def refused_is_refused(run: Run) -> Iterator[str]:
    """See that what was refused is neither delivered nor stored."""
    for message in run.messages.values():
        refused = [each for each in message.publishes if each.refused]
        if not refused:
            continue
        others = {each.invoked.text for each in message.publishes if not each.refused}
        texts = {each.invoked.text for each in refused} - others
        got = [str(who) for who, delivered in message.deliveries if delivered.text in texts]
        if not others and message.rows:
            got.append("the database")
        yield f"{refused[0]} was refused, but {', '.join(got)} got {message}." if got else FINE


def published_once(run: Run) -> Iterator[str]:
    """See that a message published again stays one row, and is answered ``DUPLICATE``."""
    for message in run.messages.values():
        if not message.publishes or not run.is_stored(message.topic):
            continue
        yield from _repeated_rows(message)
        stored = [each for each in message.publishes if each.stored]
        first = [each for each in stored if each.is_first]
        if len(first) > 1:
            yield f"{message} was answered as stored twice: to {first[0]} and to {first[1]}."
        for retry in message.publishes:
            if earlier := next((each for each in stored if _precedes(each, retry)), None):
                yield from _is_duplicate(run, message, earlier, retry)


# --- helpers ----------------------------------------------------------------------------------


def _proof(run: Run, message: Message) -> str:
    if (answer := message.stored) is not None:
        operation = next(str(each) for each in message.publishes if each.stored is answer)
        return f"{operation} was answered {answer.status} {run.when(answer.at)}"
    subscription, delivered = message.deliveries[0]
    return f"{subscription} got it {run.when(delivered.at)}"


def _listeners(run: Run, topic: str) -> set[str]:
    listeners = {
        each.opened.user
        for each in run.subscriptions.values()
        if each.opened.topic == topic
        and each.opened.start == "OUTSTANDING"
        and run.listens_to_the_end(each)
    }
    # Under `cacheall` a message does not wait for anybody else.
    return listeners & run.consumers(topic) if run.policy(topic) == "cacheall" else listeners


def _is_delivered(run: Run, message: Message, listeners: set[str]) -> Iterator[str]:
    reached = {subscription.opened.user for subscription, _ in message.deliveries}
    if run.policy(message.topic) == "cache":
        missing = set() if reached else listeners
    else:
        missing = listeners - reached
    if missing:
        names = ", ".join(sorted(missing))
        yield f"{message} was never delivered to {names}; {_proof(run, message)}."
    else:
        yield FINE


def _repeated_rows(message: Message) -> Iterator[str]:
    if len(message.rows) > 1:
        numbers = ", ".join(str(row.sequence) for row in message.rows)
        yield f"{message} is stored {len(message.rows)} times, with the sequences {numbers}."
    else:
        yield FINE


def _precedes(earlier: Publish, later: Publish) -> bool:
    return earlier.end is not None and earlier.end.at < later.invoked.at


def _is_duplicate(run: Run, message: Message, earlier: Publish, retry: Publish) -> Iterator[str]:
    same = (earlier.invoked.text, earlier.invoked.user) == (retry.invoked.text, retry.invoked.user)
    if retry.is_first:
        answer = "STORED"
    elif retry.end is not None and getattr(retry.end, "code", None) == "CONFLICT" and same:
        answer = "CONFLICT"
    else:
        yield FINE
        return
    assert earlier.end is not None
    yield (
        f"{message}: {earlier} was answered {run.when(earlier.end.at)}, {retry} invoked "
        f"{run.when(retry.invoked.at)} was answered {answer}."
    )
