"""Events: the data that goes from publishers to subscribers.

An event is plain data that survives JSON and msgpack, because the channel layer carries it
between processes. :func:`to_wire` and :func:`from_wire` are inverse to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import (
    MACHINE_TYPES,
    MessageType,
    content_size,
    decode_data,
    decode_text,
)

#: Stands for the list of all topics instead of one: subscribers that wait for a topic to appear
#: listen here.
DIRECTORY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a topic."""

    topic_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePublished(Event):
    """A message that was published and, where it has a sequence, stored."""

    topic_slug: str
    #: Position within the topic; ``None`` on topics that store nothing.
    sequence: int | None
    #: The id of the message, from the producer or from the broker.
    message_id: UUID
    #: The type of the message.
    message_type: MessageType
    #: The whole envelope, as the DASF protocol sends it. Do not change it: others share it.
    content: dict[str, Any]
    #: Primary key of the producer as text; ``None`` for the server itself or a deleted user.
    user_id: str | None
    #: When the broker accepted the message.
    publish_time: datetime
    #: Whether the message answers a request, which is what response topics carry.
    is_response: bool
    #: The epoch of the sequence, part of the cursor.
    epoch: int = 0
    #: The body as JSON, once it was decoded.
    _data: tuple[Any] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def topic(self) -> str:
        """The slug of the topic."""
        return self.topic_slug

    @property
    def payload(self) -> str:
        """The body in base64, as it is sent."""
        return self.content["payload"]  # type: ignore[no-any-return]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties of the message, from the producer."""
        return self.content["properties"]  # type: ignore[no-any-return]

    @property
    def context(self) -> int | None:
        """The number that answers repeat, so that the producer knows which request they answer."""
        return self.content.get("context")

    @property
    def text(self) -> str | None:
        """The body as text; ``None`` if it is not UTF-8."""
        return decode_text(self.payload)

    @property
    def data(self) -> Any:
        """The body as JSON; ``None`` if it is not JSON. Decoded once, and kept with the event."""
        if (kept := self._data) is None:
            kept = (self.read_data(),)
            object.__setattr__(self, "_data", kept)
        return kept[0]

    def read_data(self) -> Any:
        """Return the body as JSON without keeping it.

        It may take many times the memory of the payload, and an event that waits for a slow
        subscriber is counted by its payload.
        """
        return decode_data(self.payload)

    @property
    def cursor(self) -> str | None:
        """The position right behind the message; ``None`` if the topic stores nothing."""
        if self.sequence is None:
            return None
        return message_cursor(self.topic_id, self.sequence, self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStored(Event):
    """A message too large for the channel layer was stored: read it from the database."""

    sequence: int
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPinged(Event):
    """A caller asked the consumers of a topic to answer."""

    topic_slug: str
    pinged_at: datetime
    user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPonged(Event):
    """A consumer of a topic answered."""

    topic_slug: str
    pinged_at: datetime | None
    ponged_at: datetime
    #: Seconds from the ping to this answer.
    round_trip_time: float | None
    user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeleted(Event):
    """The topic was deleted together with its messages."""

    topic_slug: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicAppeared(Event):
    """A topic became usable: it was created, or a right on it was given."""

    topic_id: int = DIRECTORY
    topic_slug: str


class WireEvent(TypedDict):
    """What the channel layer carries: server to server only."""

    kind: str
    fields: dict[str, Any]
    #: Stream and number of a message that is not stored, so that its loss can be counted.
    serial: NotRequired[tuple[str, int]]
    #: The epoch of a sequence; servers of releases without epochs do not send it. It is not among
    #: the fields, because those servers refuse an event with a field that they do not know.
    epoch: NotRequired[int]


_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        MessagePublished,
        MessageStored,
        TopicPinged,
        TopicPonged,
        TopicDeleted,
        TopicAppeared,
    )
}
#: The fields of an event that are sent as such.
_FIELDS = {
    kind: [each.name for each in fields(kind) if each.init and each.name != "epoch"]
    for kind in _KINDS.values()
}
#: The bytes of an event besides its content.
_FRAME = 400
_TIMES = {"publish_time", "pinged_at", "ponged_at"}


def weight(event: Event) -> int:
    """Return about how many bytes an event takes, on the wire or in memory."""
    if not isinstance(event, MessagePublished):
        return _FRAME
    return _FRAME + content_size(event.content)


def is_lost_if_not_announced(event: Event) -> bool:
    """Tell whether an event is a message that is not stored. A lost ping is sent again later."""
    return (
        isinstance(event, MessagePublished)
        and event.sequence is None
        and event.message_type not in MACHINE_TYPES
    )


def to_wire(event: Event) -> WireEvent:
    """Return the event as plain JSON values."""
    wire: WireEvent = {
        "kind": type(event).__name__,
        "fields": {name: _plain(getattr(event, name)) for name in _FIELDS[type(event)]},
    }
    if isinstance(event, (MessagePublished, MessageStored)):
        wire["epoch"] = event.epoch
    return wire


def from_wire(wire: WireEvent) -> Event:
    """Return the event that :func:`to_wire` was given; of another release, what is known here."""
    kind = _KINDS[wire["kind"]]
    values = {
        name: _rich(name, value) for name, value in wire["fields"].items() if name in _FIELDS[kind]
    }
    if "epoch" in wire and issubclass(kind, (MessagePublished, MessageStored)):
        values["epoch"] = wire["epoch"]
    return kind(**values)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case MessageType():
            return value.value
        case _:
            return value


def _rich(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name == "message_id":
        return UUID(value)
    if name == "message_type":
        return MessageType(value)
    return value
