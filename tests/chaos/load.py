"""Who publishes and consumes what in a trial, and how the truth is read at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.acceptance.servers import Site
from tests.chaos.harness.consuming import Consuming
from tests.chaos.harness.history import FinalRow, FinalTopic, Record
from tests.chaos.harness.publishing import Publishing
from tests.chaos.harness.worker import Work

#: Topics, and the rule that each is stored by.
TOPICS = {
    "kept": {"store_messages": "store"},
    "jobs": {"store_messages": "cache", "supports_dasf": True},
    "news": {"store_messages": "cacheall"},
    "live": {"store_messages": "disabled"},
}

#: People, and their rights.
PEOPLE = {
    "publisher": [(topic, "can_produce") for topic in TOPICS],
    "stranger": [],
    "reader-1": [("kept", "can_consume")],
    "reader-2": [("kept", "can_consume")],
    "taker-1": [("jobs", "can_consume")],
    "taker-2": [("jobs", "can_consume")],
    "subscriber-1": [("news", "can_consume")],
    "subscriber-2": [("news", "can_consume")],
    "listener-1": [("live", "can_consume")],
    "listener-2": [("live", "can_consume")],
}

_PREPARE = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from dasf_broker.auth import create_token
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
topics, people = json.load(sys.stdin)
rows = {slug: BrokerTopic.objects.create(slug=slug, **fields) for slug, fields in topics.items()}
keys = {}
for name, rights in people.items():
    user = get_user_model().objects.create_user(name)
    for slug, right in rights:
        grant(user, rows[slug], Right(right))
    keys[name] = create_token(user)[1]
print(json.dumps([{slug: (row.pk, row.epoch) for slug, row in rows.items()}, keys]))
"""

_TRUTH = """
import json
import django
django.setup()
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
acknowledged = {}
for message, name in Acknowledgement.objects.values_list("message_id", "user__username"):
    acknowledged.setdefault(message, []).append(name)
for topic in BrokerTopic.objects.order_by("slug"):
    rows = topic.brokermessage_set.order_by("sequence")
    print(json.dumps({
        "topic": topic.slug,
        "policy": topic.effective_store_messages,
        "consumers": sorted(topic.consumers.values_list("username", flat=True)),
        "last_sequence": topic.last_sequence,
        "rows": [
            (str(message_id), sequence, sorted(acknowledged.get(pk, [])))
            for pk, message_id, sequence in rows.values_list("pk", "message_id", "sequence")
        ],
    }))
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is going on."""

    #: Seconds between two messages of one publisher.
    pace: float = 0.1
    #: Seconds that a consumer stays, at least and at most, if it acknowledges.
    stay: tuple[float, float] = (8.0, 20.0)
    #: The same for who only reads.
    read: tuple[float, float] = (8.0, 20.0)
    #: The part of the answered messages that is published once more.
    echo: float = 0.03
    #: The part of the messages that are not acknowledged when they come first.
    forget: float = 0.05
    #: Whether publishers and consumers have two processes each, instead of one.
    is_spread: bool = True


@dataclass(frozen=True, slots=True)
class Cast:
    """The topics and people of a site, once they are there."""

    site: Site
    #: The primary key and the epoch of each topic.
    topics: dict[str, tuple[int, int]]
    keys: dict[str, str]

    @classmethod
    def on(cls, site: Site) -> Cast:
        """Create topics and people."""
        made = json.loads(site.run("-c", _PREPARE, given=json.dumps([TOPICS, PEOPLE])))
        return cls(site, *made)

    def truth(self) -> Iterator[Record]:
        """Yield what is in the database."""
        for line in self.site.run("-c", _TRUTH).splitlines():
            topic = json.loads(line)
            rows = topic.pop("rows")
            topic["consumers"] = tuple(topic["consumers"])
            yield FinalTopic(**topic)
            for message_id, sequence, users in rows:
                yield FinalRow(
                    topic=topic["topic"],
                    message_id=message_id,
                    sequence=sequence,
                    acknowledged_by=tuple(users),
                )

    # --- publishers ---------------------------------------------------------------------------

    def publishing(self, load: Load, name: str, topic: str, door: str, **fields: Any) -> Publishing:
        """Return what one publisher does."""
        own: dict[str, Any] = {
            "user": "publisher",
            "pace": load.pace,
            # The DASF door does not tell a duplicate, and "live" forgets what was published.
            "echo": 0.0 if door == "dasf" or topic == "live" else load.echo,
            "retries": topic != "live",
        } | fields
        key = self.keys[own["user"]]
        return Publishing(name=name, topic=topic, door=door, key=key, **own)  # type: ignore[arg-type]

    def publishers(self, load: Load, number: int) -> tuple[Publishing, ...]:
        """Return what the publishers of one worker do: over different doors in each."""
        one, other = ("http", "websocket") if number % 2 else ("websocket", "http")
        plan = [("kept", one), ("kept", other), ("jobs", one), ("jobs", "dasf")]
        plan += [("news", other), ("live", one), ("live", "http")]
        made = [
            self.publishing(load, f"p{number}-{index}-{topic}", topic, door)
            for index, (topic, door) in enumerate(plan)
        ]
        stranger = {"user": "stranger", "pace": load.pace * 10}
        made.append(self.publishing(load, f"p{number}-stranger", "kept", "http", **stranger))
        return tuple(made)

    # --- consumers ----------------------------------------------------------------------------

    def consuming(self, load: Load, user: str, topic: str, **fields: Any) -> Consuming:
        """Return what one consumer does."""
        return Consuming(
            name=user,
            user=user,
            topic=topic,
            topic_id=self.topics[topic][0],
            epoch=self.topics[topic][1],
            key=self.keys[user],
            stay=load.stay if fields["habit"] == "acknowledge" else load.read,
            **fields,
        )

    def consumers(self, load: Load, number: int) -> tuple[Consuming, ...]:
        """Return what the consumers of one worker do: one for each rule of storage."""
        door = "dasf" if number == 2 else "websocket"
        takes: dict[str, Any] = {"habit": "acknowledge", "forget": load.forget}
        return (
            self.consuming(load, f"reader-{number}", "kept", habit="resume"),
            self.consuming(load, f"taker-{number}", "jobs", door=door, **takes),
            self.consuming(load, f"subscriber-{number}", "news", **takes),
            self.consuming(load, f"listener-{number}", "live", habit="listen"),
        )

    def works(self, load: Load, seed: int, folder: str, servers: list[str]) -> list[Work]:
        """Return what the workers do: first those with publishers, then those with consumers."""
        common: dict[str, Any] = {"folder": folder, "seed": str(seed), "servers": tuple(servers)}
        publishers = {n: self.publishers(load, n) for n in (1, 2)}
        consumers = {n: self.consumers(load, n) for n in (1, 2)}
        if not load.is_spread:
            publishers, consumers = {1: publishers[1]}, {1: (*consumers[1], *consumers[2])}
        return [
            Work(name=f"publishers-{n}", publishers=each, **common)
            for n, each in publishers.items()
        ] + [Work(name=f"consumers-{n}", consumers=each, **common) for n, each in consumers.items()]
