"""Clients who come, listen and go, most of them rudely: to be run as a process of its own.

Reads what to do as JSON from standard input, and prints how often each way to go was gone.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.endurance.wire import (
    GRAPHQL,
    Wire,
    initialisation,
    masked,
    request,
    subscription,
)

MESSAGES = "subscription ($topic: String!) { messages(topic: $topic) { messageId } }"

#: Seconds that one visit may take.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One client's visit."""

    wire: Wire
    key: str
    topic: str
    #: To be taken for whatever is left to chance.
    chance: random.Random

    @property
    def dasf_path(self) -> str:
        """Where the topic's DASF consumers connect."""
        return f"/ws/{self.topic}/wanderer-{self.chance.random()}"

    def leave(self) -> None:
        """Go without a close frame, in one of the two ways that TCP knows."""
        if self.chance.random() < 0.5:
            self.wire.drop()
        else:
            self.wire.hang_up()

    async def listen(self) -> None:
        """Subscribe, and wait for the message that every topic has."""
        await self.wire.upgrade_to_graphql(self.key)
        self.wire.subscribe(MESSAGES, topic=self.topic)
        await self.wire.next_value()


async def says_nothing(visit: Visit) -> None:
    """Connect, and go."""
    visit.leave()


async def stops_in_the_request(visit: Visit) -> None:
    """Go in the middle of the handshake's request."""
    visit.wire.write(request("/graphql/", **GRAPHQL)[: visit.chance.randrange(10, 100)])
    visit.leave()


async def awaits_no_upgrade(visit: Visit) -> None:
    """Ask for the upgrade, and go."""
    visit.wire.ask("/graphql/", **GRAPHQL)
    visit.leave()


async def does_not_initialise(visit: Visit) -> None:
    """Go before ``connection_init``."""
    await visit.wire.upgrade("/graphql/", **GRAPHQL)
    visit.leave()


async def stops_in_a_frame(visit: Visit) -> None:
    """Go in the middle of ``connection_init``."""
    await visit.wire.upgrade("/graphql/", **GRAPHQL)
    visit.wire.write(masked(1, json.dumps(initialisation(visit.key)).encode())[:20])
    visit.leave()


async def awaits_no_acknowledgement(visit: Visit) -> None:
    """Go before ``connection_ack``, with the subscription asked for already."""
    await visit.wire.upgrade("/graphql/", **GRAPHQL)
    visit.wire.send(initialisation(visit.key))
    visit.wire.subscribe(MESSAGES, topic=visit.topic)
    visit.leave()


async def awaits_no_message(visit: Visit) -> None:
    """Go right after the subscription was asked for."""
    await visit.wire.upgrade_to_graphql(visit.key)
    visit.wire.subscribe(MESSAGES, topic=visit.topic)
    visit.leave()


async def is_cut_off(visit: Visit) -> None:
    """Listen, and go without a word."""
    await visit.listen()
    visit.leave()


async def closes(visit: Visit) -> None:
    """Listen, and close the socket."""
    await visit.listen()
    await visit.wire.close()


async def completes(visit: Visit) -> None:
    """Listen, complete the operation, do it once more, and close the socket."""
    await visit.listen()
    visit.wire.send({"type": "complete", "id": "1"})
    visit.wire.send({**subscription(MESSAGES, topic=visit.topic), "id": "2"})
    await visit.wire.next_value()
    await visit.wire.close()


async def closes_at_once(visit: Visit) -> None:
    """Close the socket right after the subscription was asked for."""
    await visit.wire.upgrade_to_graphql(visit.key)
    visit.wire.subscribe(MESSAGES, topic=visit.topic)
    await visit.wire.close()


async def consumes(visit: Visit) -> None:
    """Consume over the DASF protocol, and close the socket."""
    await visit.wire.upgrade(visit.dasf_path, Authorization=f"Token {visit.key}")
    assert "messageId" in json.loads(await visit.wire.receive())
    await visit.wire.close()


async def consumes_and_is_cut_off(visit: Visit) -> None:
    """Consume over the DASF protocol, and go without a word, perhaps before the message came."""
    await visit.wire.upgrade(visit.dasf_path, Authorization=f"Token {visit.key}")
    if visit.chance.random() < 0.5:
        assert "messageId" in json.loads(await visit.wire.receive())
    visit.leave()


async def waits_for_a_topic(visit: Visit) -> None:
    """Wait over the DASF protocol for a topic that never comes."""
    await visit.wire.upgrade(f"/ws/never-{visit.topic}/x", Authorization=f"Token {visit.key}")
    visit.leave()


#: How often each way is gone, in relation to the others: half of all go without a close frame.
WAYS: dict[Callable[[Visit], Awaitable[None]], int] = {
    says_nothing: 2,
    stops_in_the_request: 2,
    awaits_no_upgrade: 4,
    does_not_initialise: 4,
    stops_in_a_frame: 2,
    awaits_no_acknowledgement: 8,
    awaits_no_message: 8,
    is_cut_off: 12,
    consumes_and_is_cut_off: 6,
    waits_for_a_topic: 2,
    closes: 22,
    closes_at_once: 10,
    completes: 10,
    consumes: 8,
}


async def wander(
    port: int, key: str, topics: list[str], count: int, at_once: int, seed: int
) -> Counter[str]:
    """Make so many visits, so many at once; return how often each way was gone."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable
    plan = iter(chance.choices([*WAYS], [*WAYS.values()], k=count))
    gone: Counter[str] = Counter()

    async def visit_over_and_over() -> None:
        for way in plan:
            wire = await Wire.connect(port)
            visit = Visit(wire, key, chance.choice(topics), chance)
            async with asyncio.timeout(PATIENCE):
                await way(visit)
            gone[way.__name__] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(visit_over_and_over())
    return gone


if __name__ == "__main__":
    wanted: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asyncio.run(wander(**wanted))))  # noqa: T201 - this is what it answers
