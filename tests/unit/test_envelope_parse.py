"""Envelopes in their wire form, and what is in a payload."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.envelope import (
    Envelope,
    MessageType,
    check_uuid,
    decode_data,
    decode_text,
    encode_payload,
)
from dasf_broker.exceptions import BadInputError, PayloadTooLargeError
from tests.unit.strategies import JSON

SIZE = 100_000
ID = UUID("12345678-1234-5678-1234-567812345678")


@given(content=JSON)
def test_whatever_comes_is_parsed_or_bad_input(content: Any) -> None:
    """What is accepted has one form: parsing it again changes nothing."""
    try:
        envelope = Envelope.parse(content, max_size=SIZE)
    except BadInputError:
        assert content != {}
    else:
        assert Envelope.parse(envelope.content, max_size=SIZE) == envelope


def test_the_least_that_is_a_message() -> None:
    """Properties, payload, context and id may be missing."""
    envelope = Envelope.parse({}, max_size=SIZE)
    assert (envelope.properties, envelope.payload, envelope.context) == ({}, "", None)
    assert envelope.message_type is MessageType.REQUEST
    assert envelope.response_topic is None


@pytest.mark.parametrize("content", [None, True, 1, "a", [], [{}]])
def test_only_objects_are_messages(content: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(BadInputError, match="A message is a JSON object"):
        Envelope.parse(content, max_size=SIZE)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"messageId": "1"}, "messageId"),
        ({"messageId": 5}, "messageId"),
        ({"messageId": ["a"]}, "messageId"),
        ({"messageId": ""}, "messageId"),
        ({"properties": [1]}, "properties"),
        ({"properties": {"messageType": "shout"}}, "messageType"),
        ({"properties": {"messageType": None}}, "messageType"),
        ({"properties": {"messageType": ["ping"]}}, "messageType"),
        ({"properties": {"response_topic": "a/b"}}, "responseTopic"),
        ({"properties": {"response_topic": 5}}, "responseTopic"),
        ({"properties": {"response_topic": ["a"]}}, "responseTopic"),
        ({"payload": {}, "properties": {}}, None),
        ({"payload": 5}, "payload"),
        ({"payload": "!"}, "payload"),
        ({"context": [1]}, "context"),
    ],
)
def test_a_wrong_part_is_named(content: Any, field: str | None) -> None:
    """The error says which part is wrong; an empty payload of any kind is none at all."""
    if field is None:
        assert Envelope.parse(content, max_size=SIZE).payload == ""
        return
    with pytest.raises(BadInputError) as caught:
        Envelope.parse(content, max_size=SIZE)
    assert caught.value.details["field"] == field


def test_a_huge_payload_is_too_large() -> None:
    """It is measured before it is decoded."""
    with pytest.raises(PayloadTooLargeError):
        Envelope.parse({"payload": "!" * (SIZE + 1)}, max_size=SIZE)


@pytest.mark.parametrize("name", [None, "", "status-ping"])
def test_a_message_that_asks_for_no_topic(name: str | None) -> None:
    """The socket that pings are answered on is not a topic."""
    content = {"properties": {"response_topic": name}}
    assert Envelope.parse(content, max_size=SIZE).response_topic is None


@pytest.mark.parametrize("message_type", list(MessageType))
def test_message_types(message_type: MessageType) -> None:
    """A message says what it is."""
    content = {"properties": {"messageType": message_type.value}}
    assert Envelope.parse(content, max_size=SIZE).message_type is message_type


@given(payload=st.text() | st.binary().map(encode_payload))
def test_any_payload_can_be_looked_into(payload: str) -> None:
    """What is not text or not JSON is nothing, and nothing fails."""
    text = decode_text(payload)
    assert text is None or encode_payload(text.encode()) == payload
    if decode_data(payload) is not None:
        assert text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000, b"9" * 5000, b"null"]
)
def test_bodies_that_hold_no_json(body: bytes) -> None:
    """They are read as nothing."""
    assert decode_data(encode_payload(body)) is None


@pytest.mark.parametrize("value", [ID, str(ID), ID.hex, f"{{{ID}}}", ID.urn])
def test_uuids_are_read_in_their_usual_forms(value: Any) -> None:
    """With or without hyphens, braces and the prefix of a URN."""
    assert check_uuid(value) == ID


def test_another_field_can_be_named() -> None:
    """GraphQL's ids are checked the same way."""
    with pytest.raises(BadInputError) as caught:
        check_uuid(None, field="id")
    assert caught.value.details == {"field": "id"}
