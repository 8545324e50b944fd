"""Bodies that take long to read: few bytes for each of many values, or one value without end."""

from __future__ import annotations

from typing import NamedTuple

MEBIBYTE = 1024 * 1024

#: Bytes of a body over HTTP, and of a frame, by default.
HTTP, FRAME = int(2.5 * MEBIBYTE), 4 * MEBIBYTE


class Body(NamedTuple):
    """A JSON value that consists of one thing again and again."""

    begin: str
    unit: str
    end: str

    def value(self, size: int) -> str:
        """Return the value with about this many bytes."""
        return f"{self.begin}{self.unit * (size // len(self.unit))}{self.end}"

    def request(self, size: int, *, publishes: bool = False) -> str:
        """Return a request with the value as a variable."""
        query = PUBLISH if publishes else QUERY
        room = size - len(query) - 100
        return f'{{"query": "{query}", "variables": {{"x": {self.value(room)}}}}}'

    def frame(self, size: int, *, publishes: bool = False) -> str:
        """Return a frame that asks for the same."""
        payload = self.request(size - 50, publishes=publishes)
        return f'{{"id": "1", "type": "subscribe", "payload": {payload}}}'


QUERY = "{ __typename }"
PUBLISH = 'mutation ($x: JSON) { publishMessage(input: {topic: \\"topic\\", data: $x}) { status } }'

#: With many values: they are refused before they are parsed.
MANY = {
    "lists": Body("[", "[],", "0]"),
    "objects": Body("[", "{},", "0]"),
    "pairs": Body("[", "[[],{}],", "0]"),
    "integers": Body("[", "1,", "0]"),
    "floats": Body("[", "1.5,", "0]"),
    "long floats": Body("[", "0.12345678901234567,", "0]"),
    "exponents": Body("[", "1e308,", "0]"),
    "nulls": Body("[", "null,", "0]"),
    "empty texts": Body("[", '"",', "0]"),
    "short texts": Body("[", '"\\"ab",', "0]"),
    "equal keys": Body("{", '"a":1,', '"b":0}'),
    "lists in lists": Body("[", "[[[[0]]]],", "0]"),
    "in half a text": Body('["\\\\",', "[],", '"'),
}

#: With one value, or with few.
FEW = {
    "a text": Body('"', "x", '"'),
    "commas in a text": Body('"', ",", '"'),
    "brackets in a text": Body('"', "[{", '"'),
    "escapes": Body('"', "\\u0001", '"'),
    "half pairs": Body('"', "\\ud800", '"'),
    "backslashes": Body('"', "\\\\", '"'),
    "quotes": Body('"', '\\"', '"'),
    "an integer": Body("", "7", ""),
    "a float": Body("0.", "7", ""),
    "an exponent": Body("1e", "7", ""),
    "integers": Body("[", f"{'7' * 4299},", "0]"),
    "floats": Body("[", f"0.{'7' * 400},", "0]"),
    "long texts": Body("[", f'"{"x" * 50}",', "0]"),
    "opening brackets": Body("", "[", ""),
    "opening braces": Body("", '{"a":', ""),
    "blanks": Body("", " ", "0"),
    "an escape without end": Body('"\\', '"', '"'),
}
