"""A reader that resumes behind the last message that it received misses none."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.harness.history import Delivered
from tests.chaos.harness.run import FINE, Run, some
from tests.chaos.harness.traces import Message, Subscription


@dataclass(slots=True)
class Chain:
    """The subscriptions with which one reader read on and on."""

    links: list[Subscription]
    #: The sequence behind which it begins; ``None``: with whatever came first.
    start: int | None
    seen: list[Delivered] = field(default_factory=list)

    @property
    def position(self) -> int | None:
        """The last sequence that was seen."""
        return self.seen[-1].sequence if self.seen else self.start


def readers_miss_nothing(run: Run) -> Iterator[str]:
    """See that a reader that resumes ``AFTER`` the last message sees each one exactly once.

    Holds under ``store``, and under ``cacheall`` for consumers, whose acknowledgement every
    message awaits: messages that they did not acknowledge must come. Up to the end of the history
    for a reader that is connected when everything has been drained, else up to the last message
    that it received.
    """
    for topic in run.topics:
        if run.policy(topic) not in {"store", "cacheall"}:
            continue
        by_sequence = {each.sequence: each for each in run.messages_of[topic] if _is_due(run, each)}
        sequences = sorted(sequence for sequence in by_sequence if sequence is not None)
        for chain in _chains(run, topic):
            user = chain.links[0].opened.user
            if run.policy(topic) == "cacheall" and user not in run.consumers(topic):
                continue
            yield from _refused_links(run, chain)
            for low, high, subscription in _steps(run, chain, sequences):
                between = sequences[
                    bisect_right(sequences, low) : bisect_right(sequences, high - 1)
                ]
                holes = [
                    str(by_sequence[each])
                    for each in between
                    if user not in by_sequence[each].acknowledged_by()
                ]
                yield from _judge(low, high, holes, subscription)


def _is_due(run: Run, message: Message) -> bool:
    known = bool(message.rows) or (message.stored is not None and message.stored.at < run.drained)
    return known and message.sequence is not None


def _chains(run: Run, topic: str) -> list[Chain]:
    chains: defaultdict[str, list[Chain]] = defaultdict(list)
    for subscription in run.subscriptions.values():
        if subscription.opened.topic == topic:
            _link(chains[subscription.opened.user], subscription)
    return [chain for of_user in chains.values() for chain in of_user]


def _link(chains: list[Chain], subscription: Subscription) -> None:
    opened = subscription.opened
    seen = [each for each in subscription.deliveries if each.sequence is not None]
    if opened.start == "AFTER":
        before = [each for each in chains if each.position == opened.after]
        # The same client rather than another one of the same user at the same position.
        before.sort(key=lambda chain: _client(chain.links[-1]) != _client(subscription))
        if before:
            before[0].links.append(subscription)
            before[0].seen.extend(seen)
            return
    start = {"EARLIEST": 0, "AFTER": opened.after}.get(opened.start)
    chains.append(Chain([subscription], start, seen))


def _client(subscription: Subscription) -> str:
    return subscription.opened.subscription.rpartition("/")[0]


def _steps(run: Run, chain: Chain, sequences: list[int]) -> Iterator[tuple[int, int, Subscription]]:
    """Yield each step of a reader from one sequence to the next, and the subscription it was in."""
    position = chain.start
    for link in chain.links:
        for delivered in link.deliveries:
            if delivered.sequence is None:
                continue
            if position is not None:
                yield position, delivered.sequence, link
            position = delivered.sequence
    if position is not None and run.listens_to_the_end(chain.links[-1]):
        end = sequences[-1] + 1 if sequences else 0
        yield position, max(end, position + 1), chain.links[-1]


def _refused_links(run: Run, chain: Chain) -> Iterator[str]:
    for link in chain.links:
        if run.policy(link.opened.topic) == "store" and link.ended is not None:
            expired = "CURSOR_EXPIRED" in link.ended.reason
            yield f"{link} was refused to read on: {link.ended.reason}." if expired else FINE


def _judge(low: int, high: int, holes: list[str], subscription: Subscription) -> Iterator[str]:
    if high <= low:
        yield f"{subscription} came to sequence {high} after {low} was seen."
    elif holes:
        yield f"{subscription} went from sequence {low} to {high} without {some(holes)}."
    else:
        yield FINE
