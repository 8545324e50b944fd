"""Events survive the channel layer, whatever it writes them with."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain import events
from dasf_broker.domain.envelope import MessageType
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
    values = {each.name: data.draw(VALUES[str(each.type)], each.name) for each in fields(kind)}
    event = kind(**values)
    wire = to_wire(event)
    assert from_wire(json.loads(json.dumps(wire, allow_nan=True))) == event
    assert from_wire(msgpack.unpackb(msgpack.packb(wire))) == event


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
