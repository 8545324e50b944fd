"""Requests of clients and the answers of a broker, as JSON lines that survive ``kill -9``.

Each process writes a file of its own with a :class:`Recorder`; :func:`read_histories` merges the
files. A client records a request *before* it sends it, and an answer *after* it has received it, so
that the event itself lies between the two. Plain Python: no Django and no network.

``who`` names a process. ``who`` and ``operation`` name an operation, ``who`` and ``subscription`` a
subscription. So a process that is started again needs another ``who``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

#: Seconds of a clock that all processes of one machine share and that cannot be set.
now: Final[Callable[[], float]] = time.monotonic

#: Codes of errors that say for certain that nothing was published. Any other failure to get an
#: answer (``UNAVAILABLE``, ``INTERNAL``, a time-out, a lost connection) says nothing.
DEFINITE_REFUSALS: Final = frozenset(
    {
        "BAD_INPUT",
        "CONFLICT",
        "FORBIDDEN",
        "NOT_FOUND",
        "PAYLOAD_TOO_LARGE",
        "QUERY_TOO_COMPLEX",
        "RATE_LIMITED",
        "TOPIC_FULL",
        "UNAUTHENTICATED",
    }
)

#: The ending of the files of a history.
SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something that happened. The :class:`Recorder` fills in when, and in which process."""

    #: Seconds of :data:`now`; 0: not yet written.
    at: float = 0.0
    #: The process that wrote it.
    who: str = ""

    def to_json(self) -> str:
        """Return the record as one line of JSON, without the line break."""
        return json.dumps({"kind": type(self).__name__, **asdict(self)})

    @staticmethod
    def from_json(line: str) -> Record:
        """Return the record that :meth:`to_json` was given.

        Raises
        ------
        ValueError
            The line is not, or not the whole of, a record.
        """
        fields = json.loads(line)
        try:
            kind = KINDS[fields.pop("kind")]
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in fields.items()
            }
            return kind(**values)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{line[:200]!r} is not a record of a history.") from error


# --- what publishers write --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishInvoked(Record):
    """A publisher is about to send a message. Sending it again is another operation."""

    operation: int
    topic: str
    message_id: str
    text: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishAnswered(Record):
    """The broker answered that the message is published."""

    operation: int
    #: A door that does not tell says ``STORED`` without a sequence, whatever it was.
    status: Literal["STORED", "SENT", "DUPLICATE"]
    #: From the cursor of the message; ``None`` where the door or the topic has none.
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRefused(Record):
    """The broker answered that nothing was published: see :data:`DEFINITE_REFUSALS`."""

    operation: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishUnknown(Record):
    """It is unknown whether the message is published."""

    operation: int
    #: A code of the broker such as ``UNAVAILABLE``, or what broke on the way.
    reason: str


# --- what consumers write ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeInvoked(Record):
    """A consumer is about to acknowledge a message."""

    operation: int
    topic: str
    message_id: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeAnswered(Record):
    """The broker answered. A door that answers nothing leaves no such record."""

    operation: int
    status: Literal["ACKNOWLEDGED", "ALREADY_ACKNOWLEDGED", "UNKNOWN"]
    #: Whether it was the last acknowledgement that the message waited for.
    removed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeUnknown(Record):
    """It is unknown whether the acknowledgement counts."""

    operation: int
    #: A code of the broker such as ``UNAVAILABLE``, or what broke on the way.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOpened(Record):
    """A consumer is about to send a subscription to the messages of a topic."""

    #: What is before the last ``/`` names the client, where a process has several.
    subscription: str
    topic: str
    user: str
    start: Literal["OUTSTANDING", "NEW", "EARLIEST", "AFTER"]
    #: With the start ``AFTER``: the sequence of the last message that was seen.
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Record):
    """A subscription got a message."""

    subscription: str
    topic: str
    message_id: str
    text: str
    sequence: int | None = None
    #: How many messages before this one the broker says that it dropped.
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnded(Record):
    """A subscription is over. One that is open until the end leaves no such record."""

    subscription: str
    #: A code of the broker, a close code, or what broke.
    reason: str


# --- what the nemesis and the runner write ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegan(Record):
    """Something is being broken, until the fault of the same name ends.

    ``stop client X`` and ``kill client X`` are faults of the process ``X`` alone. After a kill
    nothing comes from ``X`` any more, its subscriptions are over. Any other fault is the broker's.
    """

    fault: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded(Record):
    """The fault is healed, as far as the nemesis can tell."""

    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(Record):
    """All faults are over, no client publishes, and the consumers had time to get all messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRow(Record):
    """A message that is stored at the end."""

    topic: str
    message_id: str
    sequence: int
    #: The users who acknowledged it.
    acknowledged_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTopic(Record):
    """A topic at the end. Without it the checker does not know which rule held for the topic."""

    topic: str
    policy: Literal["disabled", "cache", "cacheall", "store"]
    #: The users who may consume, superusers not counted.
    consumers: tuple[str, ...]
    last_sequence: int


#: Every kind of record by its name in the file.
KINDS: Final[dict[str, type[Record]]] = {
    kind.__name__: kind
    for kind in (
        PublishInvoked,
        PublishAnswered,
        PublishRefused,
        PublishUnknown,
        AcknowledgeInvoked,
        AcknowledgeAnswered,
        AcknowledgeUnknown,
        SubscriptionOpened,
        Delivered,
        SubscriptionEnded,
        FaultBegan,
        FaultEnded,
        Drained,
        FinalRow,
        FinalTopic,
    )
}


# --- files ------------------------------------------------------------------------------------


R = TypeVar("R", bound=Record)


class Recorder:
    """Writes the history of one process; a context manager.

    What was recorded outlives the process, killed or not. It does not outlive the machine: for
    that every line would have to wait for the disk.

    Parameters
    ----------
    path
        The file; it ends in ``.jsonl`` and does not exist yet.
    who
        A name that no other process of this history has.

    Raises
    ------
    FileExistsError
        Another process writes, or wrote, this file.
    """

    def __init__(self, path: Path, who: str) -> None:
        self.who = who
        self._file = path.open("xb", buffering=0)

    def append(self, record: R) -> R:
        """Write a record, stamped with this process and, unless it has one, with the time."""
        stamped = replace(record, at=record.at or now(), who=self.who)
        self._file.write(stamped.to_json().encode() + b"\n")
        return stamped

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_history(path: Path) -> Iterator[Record]:
    """Yield what one process recorded. A last line that was cut off in the middle is left out.

    Raises
    ------
    ValueError
        A whole line is not a record.
    """
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield Record.from_json(line.decode())


def read_histories(folder: Path) -> list[Record]:
    """Return what all processes recorded in a folder, in the order of time."""
    records = [
        record for path in sorted(folder.glob("*" + SUFFIX)) for record in read_history(path)
    ]
    return sorted(records, key=lambda record: record.at)
