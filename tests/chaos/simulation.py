"""A broker that keeps every promise, in memory, with clients that write a history of it.

It is what the checker is tested with: whatever happens here, the checker must accept. Time is a
number that grows by a millisecond with every record, and by what a step says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar, get_args

from tests.chaos.harness.history import (
    AcknowledgeAnswered,
    AcknowledgeInvoked,
    AcknowledgeUnknown,
    Delivered,
    Drained,
    FaultBegan,
    FaultEnded,
    FinalRow,
    FinalTopic,
    PublishAnswered,
    PublishInvoked,
    PublishRefused,
    PublishUnknown,
    Record,
    SubscriptionEnded,
    SubscriptionOpened,
)
from tests.chaos.simulated import (
    CONSUMERS,
    FATES,
    READER,
    Answer,
    Choices,
    Listener,
    Policy,
    Status,
    Topic,
)

R = TypeVar("R", bound=Record)


class Simulation:
    """The broker, its clients, and the history that they write."""

    def __init__(self) -> None:
        self.history: list[Record] = []
        self.clock = 1000.0
        self._operations = 0
        self._is_broken = False
        self._published: list[PublishInvoked] = []
        self.topics = [Topic(policy) for policy in get_args(Policy)]
        self.listeners = [
            Listener(f"{user}-{topic.slug}", topic, user)
            for topic in self.topics
            for user in CONSUMERS
        ]
        self.listeners.append(Listener(READER, self.topics[-1], READER, position=0))
        for listener in self.listeners:
            self._open(listener)

    # --- steps --------------------------------------------------------------------------------

    def publish(self, choices: Choices) -> None:
        """Publish a message."""
        self._attempt(self._invoke(choices.pick(self.topics)), choices.pick(FATES))

    def publish_together(self, choices: Choices) -> None:
        """Publish two messages at once: the one that was sent later is stored first."""
        topic = choices.pick(self.topics)
        first, second = self._invoke(topic), self._invoke(topic)
        self._attempt(second, choices.pick(FATES))
        self._attempt(first, choices.pick(FATES))

    def publish_again(self, choices: Choices) -> None:
        """Publish a message once more, whatever became of it."""
        if self._published:
            before = choices.pick(self._published)
            again = self._write(replace(before, operation=self._next(), at=0.0), before.who)
            self._attempt(again, choices.pick(FATES))

    def publish_in_vain(self, choices: Choices) -> None:
        """Publish a message that is refused."""
        invoked = self._invoke(choices.pick(self.topics))
        self._published.remove(invoked)
        refused = PublishRefused(operation=invoked.operation, code="TOPIC_FULL")
        self._write(refused, invoked.who)

    def acknowledge(self, choices: Choices) -> None:
        """Acknowledge what a consumer got, perhaps not for the first time."""
        listeners = [each for each in self.listeners if each.got and each.user != READER]
        if listeners:
            listener = choices.pick(listeners)
            recent = listener.got[::-1]
            self._acknowledge(listener, choices.pick(recent), choices.pick(FATES))

    def reconnect(self, choices: Choices) -> None:
        """Let a client lose its connection and come back."""
        listener = choices.pick(self.listeners)
        ended = SubscriptionEnded(subscription=listener.name, reason="closed 1012")
        self._write(ended, listener.process)
        self._open(listener)

    def kill(self, choices: Choices) -> None:
        """Kill a client and start it again."""
        listener = choices.pick(self.listeners)
        fault = f"kill client {listener.process}"
        self._write(FaultBegan(fault=fault), "nemesis")
        listener.life += 1
        self._open(listener)
        self._write(FaultEnded(fault=fault), "nemesis")

    def break_or_heal(self, _: Choices) -> None:
        """Break the channel layer, or heal it."""
        kind = FaultEnded if self._is_broken else FaultBegan
        self._write(kind(fault="kill redis"), "nemesis")
        self._is_broken = not self._is_broken
        self._deliver()

    def wait(self, choices: Choices) -> None:
        """Let time pass, so that who looks for messages finds them."""
        self.clock += choices.pick((0.1, 1.0, 3.0, 6.0))
        self._deliver(looking=True)

    def finish(self) -> list[Record]:
        """Heal, publish once more to each topic, and drain; return the history."""
        if self._is_broken:
            self.break_or_heal(Choices(0))
        for topic in self.topics:
            self._attempt(self._invoke(topic), "done")
        self.wait(Choices(3))
        self._write(Drained(), "runner")
        for topic in self.topics:
            users = (*CONSUMERS, READER) if topic.policy == "store" else CONSUMERS
            final = FinalTopic(
                topic=topic.slug,
                policy=topic.policy,
                consumers=users,
                last_sequence=topic.last_sequence,
            )
            self._write(final, "runner")
            for message_id, users_done in topic.rows.items():
                row = FinalRow(
                    topic=topic.slug,
                    message_id=message_id,
                    sequence=topic.sequences[message_id],
                    acknowledged_by=tuple(sorted(users_done)),
                )
                self._write(row, "runner")
        return self.history

    # --- publishing ---------------------------------------------------------------------------

    def _invoke(self, topic: Topic) -> PublishInvoked:
        operation = self._next()
        invoked = PublishInvoked(
            operation=operation,
            topic=topic.slug,
            message_id=f"m{operation}",
            text=f"text {operation}",
            user="paul",
        )
        written = self._write(invoked, "publisher.1")
        self._published.append(written)
        return written

    def _attempt(self, invoked: PublishInvoked, fate: str) -> None:
        topic = next(each for each in self.topics if each.slug == invoked.topic)
        message_id = invoked.message_id
        status: Status = "STORED"
        if fate != "lost":
            if topic.policy == "disabled":
                status = "SENT"
            elif message_id in topic.sequences:
                status = "DUPLICATE"
            else:
                topic.last_sequence += 1
                topic.rows[message_id] = set()
                topic.sequences[message_id] = topic.last_sequence
            if status != "DUPLICATE":
                self._announce(topic, message_id)
        if fate == "done":
            sequence = topic.sequences.get(message_id)
            answer = PublishAnswered(operation=invoked.operation, status=status, sequence=sequence)
            self._write(answer, invoked.who)
        elif fate != "silent":
            unknown = PublishUnknown(operation=invoked.operation, reason="connection lost")
            self._write(unknown, invoked.who)
        self._deliver()

    def _announce(self, topic: Topic, message_id: str) -> None:
        for listener in self.listeners:
            if listener.topic is topic:
                if topic.policy == "disabled" and self._is_broken:
                    listener.missed += 1
                else:
                    listener.waiting.append(message_id)

    # --- consuming ----------------------------------------------------------------------------

    def _open(self, listener: Listener) -> None:
        topic = listener.topic
        listener.number += 1
        listener.got, listener.missed = [], 0
        start: Any = "NEW" if topic.policy == "disabled" else "OUTSTANDING"
        if listener.position is not None:
            start = "AFTER" if listener.position else "EARLIEST"
        opened = SubscriptionOpened(
            subscription=listener.name,
            topic=topic.slug,
            user=listener.user,
            start=start,
            after=listener.position or None,
        )
        self._write(opened, listener.process)
        position = listener.position or 0
        listener.waiting = [
            message_id
            for message_id, users in topic.rows.items()
            if listener.user not in users and topic.sequences[message_id] > position
        ]
        self._deliver()

    def _deliver(self, *, looking: bool = False) -> None:
        for listener in self.listeners:
            if self._is_broken and not looking:
                continue
            waiting, listener.waiting = listener.waiting, []
            for message_id in waiting:
                self._deliver_one(listener, message_id)

    def _deliver_one(self, listener: Listener, message_id: str) -> None:
        topic = listener.topic
        sequence = topic.sequences.get(message_id)
        delivered = Delivered(
            subscription=listener.name,
            topic=topic.slug,
            message_id=message_id,
            text=f"text {message_id[1:]}",
            sequence=sequence,
            missed=listener.missed,
        )
        self._write(delivered, listener.process)
        listener.missed = 0
        listener.got.append(message_id)
        if listener.position is not None and sequence is not None:
            listener.position = sequence

    def _acknowledge(self, listener: Listener, message_id: str, fate: str) -> None:
        topic, operation = listener.topic, self._next()
        invoked = AcknowledgeInvoked(
            operation=operation, topic=topic.slug, message_id=message_id, user=listener.user
        )
        self._write(invoked, listener.process)
        status: Answer = "UNKNOWN"
        removed = False
        if fate != "lost" and (users := topic.rows.get(message_id)) is not None:
            status = "ALREADY_ACKNOWLEDGED" if listener.user in users else "ACKNOWLEDGED"
            users.add(listener.user)
            removed = topic.policy == "cache" or (
                topic.policy == "cacheall" and users >= set(CONSUMERS)
            )
            if removed:
                del topic.rows[message_id]
        if fate == "done":
            answer = AcknowledgeAnswered(operation=operation, status=status, removed=removed)
            self._write(answer, listener.process)
        elif fate != "silent":
            unknown = AcknowledgeUnknown(operation=operation, reason="UNAVAILABLE")
            self._write(unknown, listener.process)

    def _next(self) -> int:
        self._operations += 1
        return self._operations

    def _write(self, record: R, who: str) -> R:
        self.clock += 0.001
        stamped = replace(record, at=self.clock, who=who)
        self.history.append(stamped)
        return stamped


Step = Callable[[Simulation, Choices], None]

#: Every step that may be taken at any time.
STEPS: Final[tuple[Step, ...]] = (
    Simulation.publish,
    Simulation.publish_together,
    Simulation.publish_again,
    Simulation.publish_in_vain,
    Simulation.acknowledge,
    Simulation.wait,
    Simulation.reconnect,
    Simulation.kill,
    Simulation.break_or_heal,
)
#: How often each is taken in a long run.
WEIGHTS: Final = (20, 5, 5, 2, 20, 15, 2, 1, 1)


def a_long_run(seed: int = 1, steps: int = 1500) -> list[Record]:
    """Return a history in which everything happened."""
    lots = random.Random(seed)  # noqa: S311 - to be repeated
    simulation = Simulation()
    for step in lots.choices(STEPS, WEIGHTS, k=steps):
        step(simulation, Choices(lots.randrange(10**9)))
    return simulation.finish()
