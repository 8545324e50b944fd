"""Promises broken on purpose: what to take out of a good history, and what to put in.

A mutation looks at a good :class:`Run` and returns the records to leave out and those to add.
Here is what mutations share; the modules are those of the invariants that must notice them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tests.chaos.harness.history import Delivered, PublishAnswered, Record
from tests.chaos.harness.run import Run
from tests.chaos.harness.traces import Message, Subscription

T = TypeVar("T")

#: What is left out, and what is added.
Change = tuple[Sequence[Record], Sequence[Record]]
Mutation = Callable[[Run], Change]


def apply(history: Iterable[Record], change: Change) -> list[Record]:
    """Return a history with a change."""
    dropped, added = change
    assert dropped or added, "Nothing is changed."
    unwanted = {id(record) for record in dropped}
    return [record for record in history if id(record) not in unwanted] + [*added]


def find(found: Iterable[T]) -> T:
    """Return the first one; the good history must have one."""
    return next(iter(found))


def messages(run: Run, policy: str) -> Iterator[Message]:
    """Yield the messages of the topic under a policy."""
    return (each for each in run.messages.values() if run.policy(each.topic) == policy)


def subscriptions(run: Run, policy: str) -> Iterator[Subscription]:
    """Yield the subscriptions to the topic under a policy."""
    return (each for each in run.subscriptions.values() if run.policy(each.opened.topic) == policy)


def deliveries(run: Run, policy: str) -> Iterator[Delivered]:
    """Yield what was delivered of the topic under a policy."""
    return (each for subscription in subscriptions(run, policy) for each in subscription.deliveries)


def plain(run: Run, policy: str) -> Message:
    """Return a message that was published once, answered and delivered to all consumers."""
    return find(
        message
        for message in messages(run, policy)
        if len(message.publishes) == 1
        and message.stored is not None
        and {"ann", "bob"} <= {who.opened.user for who, _ in message.deliveries}
    )


def answer_of(message: Message) -> PublishAnswered:
    """Return the answer to the publisher."""
    assert message.stored is not None
    return message.stored
