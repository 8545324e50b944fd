"""What the simulation is made of: topics, clients that listen, and choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

T = TypeVar("T")
Policy = Literal["disabled", "cache", "cacheall", "store"]
Status = Literal["STORED", "SENT", "DUPLICATE"]
Answer = Literal["ACKNOWLEDGED", "ALREADY_ACKNOWLEDGED", "UNKNOWN"]

CONSUMERS: Final = ("ann", "bob")
#: Reads on behind the last message, on the topic under ``store``.
READER: Final = "rita"
#: What becomes of an operation. ``hidden``: it was done, but nobody knows.
FATES: Final = ("done", "done", "done", "hidden", "lost", "silent")


class Choices:
    """Takes choices from one number, so that Hypothesis can look for a smaller one."""

    def __init__(self, number: int) -> None:
        self._number = number

    def pick(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        self._number, index = divmod(self._number, len(options))
        return options[index]


@dataclass
class Topic:
    """A topic of the broker: each row with its sequence and who acknowledged it."""

    policy: Policy
    last_sequence: int = 0
    rows: dict[str, set[str]] = field(default_factory=dict)
    #: Remembered after the row is gone.
    sequences: dict[str, int] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name; there is one topic of each policy."""
        return self.policy


@dataclass
class Listener:
    """A client with a subscription, and what the broker has for it."""

    who: str
    topic: Topic
    user: str
    number: int = 0
    life: int = 1
    waiting: list[str] = field(default_factory=list)
    #: Where it resumes, if it is one that does.
    position: int | None = None
    missed: int = 0
    got: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the present subscription."""
        return f"{self.who}/{self.number}"

    @property
    def process(self) -> str:
        """The process it is in."""
        return f"{self.who}.{self.life}"
