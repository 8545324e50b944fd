"""Events survive the channel layer, whatever it writes them with."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain import events
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import MessageType, encode_payload
from dasf_broker.domain.events import Event, MessagePublished, from_wire, to_wire
from tests.unit.strategies import NUMBERS, PROPERTIES, TEXTS

#: From the module: a dataclass with slots leaves a twin behind in ``__subclasses__``.
KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
VALUES = {
    "int": NUMBERS,
    "int | None": st.none() | NUMBERS,
    "str": TEXTS,
    "str | None": st.none() | TEXTS,
    "bool": st.booleans(),
    "float | None": st.none() | st.floats(allow_nan=False),
    "datetime": st.datetimes(timezones=st.just(UTC)),
    "datetime | None": st.none() | st.datetimes(timezones=st.just(UTC)),
    "UUID": st.uuids(),
    "MessageType": st.sampled_from(MessageType),
    "dict[str, Any]": st.builds(
        lambda properties, payload: {"properties": properties, "payload": payload},
        PROPERTIES,
        TEXTS,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_events_come_back(kind: type[Event], data: st.DataObject) -> None:
    """JSON and msgpack, the two forms of channel layers, both give the same event back."""
    given_ = [each for each in fields(kind) if each.init]
    event = kind(**{each.name: data.draw(VALUES[str(each.type)], each.name) for each in given_})
    wire = to_wire(event)
    assert from_wire(json.loads(json.dumps(wire, allow_nan=True))) == event
    assert from_wire(msgpack.unpackb(msgpack.packb(wire))) == event


def test_a_message_is_read() -> None:
    """Its body in all forms, what is said about it, and where it stands."""
    body, properties = {"celsius": 6.2}, {"unit": "C"}
    message = _message(json.dumps(body).encode(), properties=properties, sequence=3)
    assert (message.data, message.text) == (body, json.dumps(body))
    assert (message.payload, message.properties) == (message.content["payload"], properties)
    assert message.cursor == message_cursor(1, 3, 0)
    assert message.context is None


@pytest.mark.parametrize(
    ("body", "text"), [(b"\xff", None), (b"{", "{"), (b"", ""), (b"null", "null")]
)
def test_what_is_no_json_is_no_data(body: bytes, text: str | None) -> None:
    """Nor is a body that is no text either; and what is not stored has no cursor."""
    message = _message(body)
    assert (message.data, message.text, message.cursor) == (None, text, None)


def test_data_is_read_once() -> None:
    """Every receiver of a signal gets the same; the message stays what it was."""
    message, other = _message(b"[1]"), _message(b"[1]")
    assert message.read_data() is not message.read_data()
    assert message.data is message.data
    assert message == other
    assert to_wire(message) == to_wire(other)


def test_every_kind_can_be_read() -> None:
    """A kind that is added and forgotten would be lost on the way."""
    assert set(events._KINDS.values()) == set(KINDS)
    assert MessagePublished in KINDS


def test_every_field_with_a_time_is_read_as_one() -> None:
    """Times are known by their names."""
    times = {
        each.name
        for kind in KINDS
        for each in fields(kind)
        if str(each.type).startswith("datetime")
    }
    assert times == events._TIMES


def _message(
    body: bytes, *, properties: dict[str, Any] | None = None, sequence: int | None = None
) -> MessagePublished:
    return MessagePublished(
        topic_id=1,
        topic_slug="topic",
        sequence=sequence,
        message_id=UUID(int=1),
        message_type=MessageType.REQUEST,
        content={"properties": properties or {}, "payload": encode_payload(body)},
        user_id=None,
        publish_time=datetime(2026, 1, 1, tzinfo=UTC),
        is_response=False,
    )


def test_servers_of_other_releases_understand_each_other() -> None:
    """One without epochs knows all fields that are sent; what a later one adds is left out."""
    event = MessagePublished(**{**_fields(_message(b"x", sequence=3)), "epoch": 7})
    wire = to_wire(event)
    assert "epoch" not in wire["fields"]
    assert wire.pop("epoch") == 7
    assert from_wire(wire) == MessagePublished(**{**_fields(event), "epoch": 0})
    wire["fields"]["from_the_future"] = 1
    assert from_wire(wire) == MessagePublished(**{**_fields(event), "epoch": 0})


def _fields(event: MessagePublished) -> dict[str, Any]:
    return {each.name: getattr(event, each.name) for each in fields(event) if each.init}
