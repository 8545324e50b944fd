"""What a topic should hold: a model written from the table and the promises of the design."""

from __future__ import annotations

from uuid import UUID

#: Two of them are members of the group. The superuser may consume, but is nobody's consumer.
MEMBERS = frozenset({"bob", "cleo"})
PEOPLE = ("ann", "bob", "cleo", "root")
GROUP = "group"


#: Messages that the topic may hold.
LIMIT = 4


class Model:
    """The table and the promises of the design, and nothing else."""

    def __init__(self) -> None:
        self.policy = "cache"
        self.holders: set[str] = set()
        #: What is stored, in order, each with who acknowledged it.
        self.messages: dict[UUID, set[str]] = {}
        #: What is stored or remembered, each with its sequence and its text.
        self.known: dict[UUID, tuple[int, str]] = {}
        self.last_sequence = 0
        self.expired_sequence = 0

    @property
    def consumers(self) -> set[str]:
        """Who is waited for."""
        return (self.holders - {GROUP}) | (MEMBERS if GROUP in self.holders else set())

    def may_consume(self, name: str) -> bool:
        """Tell whether somebody may acknowledge."""
        return name == "root" or name in self.consumers

    def acknowledge(self, name: str, message_id: UUID) -> str:
        """Return what the acknowledgement is answered with; note it if it counts."""
        if not self.may_consume(name):
            return "FORBIDDEN"
        if message_id not in self.messages:
            return "UNKNOWN"
        if name in self.messages[message_id]:
            return "ALREADY_ACKNOWLEDGED"
        self.messages[message_id].add(name)
        return "ACKNOWLEDGED"

    @property
    def remembered(self) -> set[UUID]:
        """What was removed and not forgotten."""
        return set(self.known) - set(self.messages)

    def publish(self, message_id: UUID, text: str) -> str:
        """Return what the message is answered with; store it if there is room."""
        if self.policy == "disabled":
            return "SENT"
        if message_id in self.known:
            return "DUPLICATE" if self.known[message_id][1] == text else "CONFLICT"
        if len(self.messages) >= LIMIT:
            return "TOPIC_FULL"
        self.last_sequence += 1
        self.messages[message_id] = set()
        self.known[message_id] = (self.last_sequence, text)
        return "STORED"

    def remove_oldest(self, count: int) -> None:
        """Remove messages that somebody may miss."""
        gone = list(self.messages)[:count]
        for each in gone:
            del self.messages[each]
        if gone:
            last = self.known[gone[-1]][0]
            self.expired_sequence = max(self.expired_sequence, last)

    def forget(self) -> None:
        """Forget what is not stored."""
        self.known = {each: self.known[each] for each in self.messages}

    def change_policy(self, policy: str) -> None:
        """Let another rule hold; where messages are stored again, there is a hole before."""
        if self.policy == "disabled" != policy:
            self.last_sequence += 1
            self.expired_sequence = self.last_sequence
        self.policy = policy

    def settle(self) -> None:
        """Remove what the table says is to be removed."""
        self.messages = {
            each: names for each, names in self.messages.items() if not self._is_settled(names)
        }

    def _is_settled(self, names: set[str]) -> bool:
        if self.policy == "store":
            return False
        if self.policy == "cacheall":
            return bool(self.consumers) and all(name in names for name in self.consumers)
        return bool(names)
