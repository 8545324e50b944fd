"""Envelopes built from the parts that people give."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.envelope import (
    MAX_CONTEXT,
    Envelope,
    MessageType,
    decode_data,
    decode_text,
    encode_payload,
)
from dasf_broker.exceptions import BadInputError, PayloadTooLargeError
from tests.unit.strategies import JSON, NUMBERS, PROPERTIES

SIZE = 100_000
ID = UUID("12345678-1234-5678-1234-567812345678")


@given(data=JSON.filter(lambda value: value is not None))
def test_data_comes_back(data: Any) -> None:
    """Any JSON value survives the payload, but null, which means that there is none."""
    assert decode_data(Envelope.compose(max_size=SIZE, data=data).payload) == data


@given(text=st.text())
def test_text_comes_back(text: str) -> None:
    """Any text survives the payload."""
    assert decode_text(Envelope.compose(max_size=SIZE, text=text).payload) == text


@given(body=st.binary())
def test_a_payload_is_taken_as_it_is(body: bytes) -> None:
    """Base64 goes through untouched."""
    envelope = Envelope.compose(max_size=SIZE, payload=encode_payload(body))
    assert base64.b64decode(envelope.payload) == body


@given(
    data=JSON,
    properties=PROPERTIES,
    message_type=st.sampled_from(MessageType),
    context=st.none() | NUMBERS,
)
def test_what_was_composed_is_parsed_to_the_same(
    data: Any, properties: dict[str, Any], message_type: MessageType, context: int | None
) -> None:
    """The wire form says everything, and survives JSON."""
    envelope = Envelope.compose(
        max_size=SIZE,
        data=data,
        properties=properties,
        message_type=message_type,
        context=context,
        response_topic="answers",
    )
    wire = json.loads(json.dumps(envelope.content))
    assert Envelope.parse(wire, max_size=SIZE) == envelope
    assert envelope.message_type is message_type
    assert envelope.response_topic == "answers"


def test_an_empty_message_is_a_request_with_an_id_of_its_own() -> None:
    """Nothing has to be given."""
    first, second = Envelope.compose(max_size=SIZE), Envelope.compose(max_size=SIZE)
    assert first.content == {
        "messageId": str(first.message_id),
        "properties": {"messageType": "request"},
        "payload": "",
    }
    assert first.message_id != second.message_id
    assert Envelope.compose(max_size=SIZE, message_id=ID).message_id == ID


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"data": 1, "text": ""}, "text"),
        ({"data": 1, "payload": ""}, "payload"),
        ({"text": "a", "payload": "YQ=="}, "payload"),
        ({"data": float("nan")}, "data"),
        ({"data": [float("inf")]}, "data"),
        ({"data": {"a": object()}}, "data"),
        ({"data": "\ud800"}, "data"),
        ({"text": "\udfff"}, "text"),
        ({"payload": "a"}, "payload"),
        ({"payload": "YQ==\n"}, "payload"),
        ({"payload": "Y Q="}, "payload"),
        ({"payload": "ä==="}, "payload"),
        ({"payload": b"YQ=="}, "payload"),
        ({"payload": 5}, "payload"),
        ({"properties": []}, "properties"),
        ({"properties": "a"}, "properties"),
        ({"properties": {"a": float("nan")}}, "properties"),
        ({"properties": {"a": "\ud800"}}, "properties"),
        ({"properties": {"a": "\x00"}}, "properties"),
        ({"properties": {"\x00": 1}}, "properties"),
        ({"properties": {"a": ["\\\x00"]}}, "properties"),
        ({"response_topic": "a b"}, "responseTopic"),
        ({"response_topic": "a" * 129}, "responseTopic"),
        ({"context": MAX_CONTEXT + 1}, "context"),
        ({"context": -MAX_CONTEXT - 1}, "context"),
        ({"context": True}, "context"),
        ({"context": 1.0}, "context"),
        ({"context": "one"}, "context"),
    ],
)
def test_a_wrong_part_is_named(parts: dict[str, Any], field: str) -> None:
    """The error says which part is wrong."""
    with pytest.raises(BadInputError) as caught:
        Envelope.compose(max_size=SIZE, **parts)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "a\\", "\u0001"])
def test_what_only_looks_like_nul_is_fine(text: str) -> None:
    """A backslash before ``u0000`` is text like any other."""
    properties = {"note": text, text: 1}
    envelope = Envelope.compose(max_size=SIZE, properties=properties)
    assert envelope.content["properties"] == properties | {"messageType": "request"}


def test_nul_in_the_body() -> None:
    """The body keeps it in base64, and as JSON in the text; it is no JSON for every parser."""
    as_json = Envelope.compose(max_size=SIZE, data="\x00").payload
    assert (decode_data(as_json), decode_text(as_json)) == (None, '"\\u0000"')


@pytest.mark.parametrize("context", [0, MAX_CONTEXT, -MAX_CONTEXT])
def test_contexts_at_the_border_are_fine(context: int) -> None:
    """The column of the database holds them."""
    assert Envelope.compose(max_size=SIZE, context=context).content["context"] == context


def test_the_size_is_that_of_the_whole_envelope() -> None:
    """Exactly the limit is accepted, one byte more is not; characters count as bytes."""
    parts: dict[str, Any] = {"message_id": ID, "text": "a" * 300, "properties": {"note": "ä"}}
    whole = Envelope.compose(max_size=SIZE, **parts).content
    size = len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())
    Envelope.compose(max_size=size, **parts)
    with pytest.raises(PayloadTooLargeError) as caught:
        Envelope.compose(max_size=size - 1, **parts)
    assert caught.value.details == {"size": size, "limit": size - 1}


def test_too_deep_data_is_refused() -> None:
    """Nesting that JSON's writer cannot follow is an answer, not a crash."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadInputError):
        Envelope.compose(max_size=SIZE, data=deep)
