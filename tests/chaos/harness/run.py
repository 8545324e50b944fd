"""A history with its records linked: requests with answers, deliveries with messages."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, TypeVar

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
from tests.chaos.harness.traces import (
    Acknowledge,
    AcknowledgeEnd,
    Fault,
    Message,
    Publish,
    PublishEnd,
    Subscription,
)

K = TypeVar("K", int, str)
V = TypeVar("V")

#: What an invariant says of a thing that is as it should be.
FINE: Final = ""
#: The policies under which messages are stored.
STORED_POLICIES: Final = frozenset({"cache", "cacheall", "store"})


class Run:
    """A history, by operation, subscription, message and topic.

    Parameters
    ----------
    history
        The records of all processes, in any order.

    Raises
    ------
    ValueError
        The history cannot be judged: it has no end, or it is not of one run.
    """

    def __init__(self, history: Iterable[Record]) -> None:
        records = sorted(history, key=lambda record: record.at)
        self.began: float = records[0].at if records else 0.0
        self.publishes: dict[tuple[str, int], Publish] = {}
        self.acknowledges: dict[tuple[str, int], Acknowledge] = {}
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.messages: dict[tuple[str, str], Message] = {}
        self.faults: list[Fault] = []
        self.topics: dict[str, FinalTopic] = {}
        self.drained: float = math.inf
        for record in records:
            self._note(record)
        if self.drained == math.inf:
            raise ValueError("The history has no end (no record `Drained`): nothing can be judged.")
        self._end_subscriptions_of_killed_clients()
        self._spans = _spans_of(self.faults)
        self._sent: defaultdict[str, list[Publish]] = defaultdict(list)
        for publish in self.publishes.values():
            self._sent[publish.invoked.topic].append(publish)
        self.messages_of: defaultdict[str, list[Message]] = defaultdict(list)
        for message in self.messages.values():
            self.messages_of[message.topic].append(message)

    def policy(self, topic: str) -> str:
        """Return the storage policy of a topic, ``gone`` if it is not there at the end."""
        return self.topics[topic].policy if topic in self.topics else "gone"

    def is_stored(self, topic: str) -> bool:
        """Tell whether the messages of a topic are stored."""
        return self.policy(topic) in STORED_POLICIES

    def consumers(self, topic: str) -> set[str]:
        """Return the users whose acknowledgements a topic waits for."""
        return set(self.topics[topic].consumers) if topic in self.topics else set()

    def listens_to_the_end(self, subscription: Subscription) -> bool:
        """Tell whether a subscription was there when everything had been drained."""
        return subscription.opened.at <= self.drained < subscription.ended_at

    def message_of(self, publish: Publish) -> Message:
        """Return the message that an attempt was about."""
        return self.messages[publish.invoked.topic, publish.invoked.message_id]

    def sent_between(self, topic: str, start: float, end: float) -> list[Publish]:
        """Return the attempts to publish to a topic that were invoked between two times."""
        sent = self._sent[topic]
        low = bisect_left(sent, start, key=_invoked_at)
        return sent[low : bisect_right(sent, end, key=_invoked_at)]

    def is_faulty(self, start: float, end: float, *clients: str) -> bool:
        """Tell whether the broker, or one of some clients, was broken at some time between."""
        return self._is_hit(None, start, end) or any(
            self._is_hit(client, start, end) for client in clients
        )

    def is_stopped(self, client: str, start: float, end: float) -> bool:
        """Tell whether a client was stopped at some time between."""
        return self._is_hit(client, start, end)

    def _is_hit(self, client: str | None, start: float, end: float) -> bool:
        spans = self._spans[client]
        last = bisect_right(spans, end, key=itemgetter(0)) - 1
        return last >= 0 and spans[last][1] >= start

    def when(self, at: float) -> str:
        """Return a time for a person to read."""
        return f"at {at - self.began:.3f} s"

    def _message(self, topic: str, message_id: str) -> Message:
        key = (topic, message_id)
        if key not in self.messages:
            self.messages[key] = Message(topic, message_id)
        return self.messages[key]

    def _note(self, record: Record) -> None:
        match record:
            case PublishInvoked() | PublishAnswered() | PublishRefused() | PublishUnknown():
                self._note_publish(record)
            case AcknowledgeInvoked() | AcknowledgeAnswered() | AcknowledgeUnknown():
                self._note_acknowledge(record)
            case SubscriptionOpened() | Delivered() | SubscriptionEnded():
                self._note_subscription(record)
            case FaultBegan():
                self.faults.append(Fault(record))
            case FaultEnded():
                self._end_fault(record)
            case Drained():
                self.drained = record.at
            case FinalRow():
                self._message(record.topic, record.message_id).rows.append(record)
            case FinalTopic():
                self.topics[record.topic] = record

    def _note_publish(self, record: PublishInvoked | PublishEnd) -> None:
        key = (record.who, record.operation)
        if isinstance(record, PublishInvoked):
            _add(self.publishes, key, Publish(record))
            self._message(record.topic, record.message_id).publishes.append(self.publishes[key])
        else:
            _find(self.publishes, key, record).end = record

    def _note_acknowledge(self, record: AcknowledgeInvoked | AcknowledgeEnd) -> None:
        key = (record.who, record.operation)
        if isinstance(record, AcknowledgeInvoked):
            _add(self.acknowledges, key, Acknowledge(record))
            message = self._message(record.topic, record.message_id)
            message.acknowledges.append(self.acknowledges[key])
        else:
            _find(self.acknowledges, key, record).end = record

    def _note_subscription(
        self, record: SubscriptionOpened | Delivered | SubscriptionEnded
    ) -> None:
        key = (record.who, record.subscription)
        if isinstance(record, SubscriptionOpened):
            _add(self.subscriptions, key, Subscription(record))
            return
        subscription = _find(self.subscriptions, key, record)
        if isinstance(record, Delivered):
            subscription.deliveries.append(record)
            subscription.message_ids.add(record.message_id)
            message = self._message(record.topic, record.message_id)
            message.deliveries.append((subscription, record))
        else:
            subscription.ended, subscription.ended_at = record, record.at

    def _end_fault(self, record: FaultEnded) -> None:
        for fault in self.faults:
            if fault.began.fault == record.fault and fault.ended_at == math.inf:
                fault.ended_at = record.at
                return

    def _end_subscriptions_of_killed_clients(self) -> None:
        killed = {
            fault.client: fault.began.at
            for fault in self.faults
            if fault.began.fault.startswith("kill client ")
        }
        for subscription in self.subscriptions.values():
            killed_at = killed.get(subscription.opened.who, math.inf)
            subscription.ended_at = min(subscription.ended_at, killed_at)


def _invoked_at(publish: Publish) -> float:
    return publish.invoked.at


def _spans_of(faults: Sequence[Fault]) -> defaultdict[str | None, list[tuple[float, float]]]:
    """Return when each client, and (``None``) the broker, was broken; no two spans overlap."""
    spans: defaultdict[str | None, list[tuple[float, float]]] = defaultdict(list)
    for fault in faults:  # in the order of time
        start, end = fault.began.at, fault.ended_at
        known = spans[fault.client]
        if known and start <= known[-1][1]:
            known[-1] = known[-1][0], max(end, known[-1][1])
        else:
            known.append((start, end))
    return spans


def _add(known: dict[tuple[str, K], V], key: tuple[str, K], value: V) -> None:
    if key in known:
        raise ValueError(f"{value} is in the history twice: a process was started again as {key}?")
    known[key] = value


def _find(known: dict[tuple[str, K], V], key: tuple[str, K], record: Record) -> V:
    if key not in known:
        raise ValueError(f"The history has no beginning of {record}.")
    return known[key]


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the first few names, and how many more there are, for a person to read."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
