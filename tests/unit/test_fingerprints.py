"""Fingerprints: the same for what says the same, however it is written, and for nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.fingerprints import LENGTH, fingerprint
from tests.unit.strategies import JSON, PROPERTIES

#: Numbers that databases write in another way than Python.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30)


@given(properties=PROPERTIES)
def test_a_copy_has_the_same(properties: dict[str, Any]) -> None:
    """Read back from what was written, and with its names in another order."""
    content = {"properties": properties, "payload": "YQ=="}
    copy = json.loads(json.dumps(content))
    assert fingerprint(copy) == fingerprint(dict(reversed(copy.items()))) == fingerprint(content)
    assert len(fingerprint(content)) == LENGTH


@given(one=JSON, other=JSON)
@example(1, True)
@example(1, "1")
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example(["a"], "a")
@example({}, [])
@example(None, "null")
def test_it_is_the_same_where_the_values_are(one: Any, other: Any) -> None:
    """And only there."""
    same = _written(one) == _written(other)
    assert (fingerprint({"a": one}) == fingerprint({"a": other})) is same


@given(number=NUMBERS)
def test_a_number_has_many_forms(number: float) -> None:
    """PostgreSQL writes large and small numbers out, and may keep zeros at the end."""
    written_out = json.loads(f"{Decimal(repr(number)):f}")
    assert fingerprint({"a": [written_out]}) == fingerprint({"a": [number]})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (3.876546346009914e16, 38765463460099140, True),
        (1e23, 10**23, True),
        (-0.0, 0, True),
        (1.0, 1, True),
        (2**53, 2**53 + 1, False),
        (0.1, 0.1 + 1e-16, False),
        (1, "1", False),
        (1, True, False),
    ],
)
def test_numbers_are_compared_as_they_are_written(one: Any, other: Any, same: bool) -> None:
    """By their value, whatever type Python reads them as; a text or a yes is no number."""
    assert (fingerprint({"a": [one]}) == fingerprint({"a": [other]})) is same


@pytest.mark.parametrize(
    ("properties", "written"),
    [
        ({"ä": [1.5, None], "a": 2.0}, b'{"a": 2, "\\u00e4": [1.5, null]}'),
        ({"ä": [True, None], "a": 2}, b'{"a": 2, "\\u00e4": [true, null]}'),
        ({"b": ("x", MessageType.PING), 1: {}}, b'{"1": {}, "b": ["x", "ping"]}'),
    ],
)
def test_it_never_changes(properties: Any, written: bytes) -> None:
    """It is kept in databases: what made it yesterday must make it tomorrow."""
    content = {"properties": properties, "payload": ""}
    whole = b'{"payload": "", "properties": ' + written + b"}"
    assert fingerprint(content) == sha256(whole).hexdigest()


@given(value=JSON | st.lists(NUMBERS))
@example([2.0**53, 2.0**53 - 1, -(2.0**53), 1e22, 1e23, 1e308, 0.1, -0.0])
def test_it_is_what_it_was(value: Any) -> None:
    """Numbers are read in a quicker way than when the first ones were stored."""

    def number(text: str) -> float:
        read = float(text)
        return int(Decimal(text)) if read.is_integer() else read

    content = json.loads(json.dumps({"a": value}), parse_float=number)
    stored = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert fingerprint({"a": value}) == stored


def _written(value: Any) -> Any:
    """Return a JSON value so that Python's ``==`` tells apart what JSON tells apart."""
    match value:
        case bool():
            return ("boolean", value)
        case int() | float():
            return ("number", Decimal(repr(value)))
        case list():
            return [_written(each) for each in value]
        case dict():
            return {name: _written(each) for name, each in value.items()}
        case _:
            return value
