"""JSON texts of clients: how large they are, and what every parser can read.

Python's parser holds up the whole process until it is done, in whichever thread it runs. A million
small lists take it a second. So the values of a text are counted before it is parsed, by searches
that take a few milliseconds for the largest text.
"""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from dasf_broker.exceptions import BadInputError, PayloadTooLargeError

#: Most values of a JSON text: its numbers, texts, objects, lists and so on.
MAX_VALUES = 100_000

#: Most levels of nesting. Parsers stop at about 1000, and results contain a value some levels deep.
MAX_LEVELS = 500

#: Most digits of an integer. Some parsers read a longer one as infinity, and others refuse it.
MAX_DIGITS = 308

#: Characters from which on the garbage collector pauses while a text is parsed.
_LARGE = 16 * 1024

#: One step up for each opening bracket, and one step down for each closing one.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))

_UNREADABLE = "This is not JSON, or it is nested too deeply."

_writer = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    As with ``1e999``, an integer of more than :data:`MAX_DIGITS` digits is infinity, which is
    refused where it is used: Python would take long to read it.

    Raises
    ------
    PayloadTooLargeError
        It has more than :data:`MAX_VALUES` values.
    BadInputError
        It is not JSON, or has more than :data:`MAX_LEVELS` levels.
    """
    return _parse(text, _plain if len(text) <= MAX_DIGITS else _lenient)


def parse_strict(text: str) -> Any:
    """Return the value of a JSON text that all strict parsers can read.

    It has no number beyond 64-bit floating point, no NUL character and no half of a surrogate pair.

    Raises
    ------
    PayloadTooLargeError
        It has more than :data:`MAX_VALUES` values.
    BadInputError
        It is not such a text, or has more than :data:`MAX_LEVELS` levels.
    """
    value = _parse(text, _strict)
    if "\\u" in text:  # only an escape can be such a character
        try:
            written = _writer.encode(value)
            written.encode()
        except UnicodeEncodeError:
            raise BadInputError("The JSON holds half a surrogate pair.") from None
        if has_nul(written):
            raise BadInputError("The JSON holds a NUL character.")
    return value


def has_nul(text: str) -> bool:
    """Tell whether a JSON text has a NUL character, which PostgreSQL cannot keep in JSON."""
    # Behind an escaped backslash, the same characters are text.
    return "\\u0000" in text and "\\u0000" in text.replace("\\\\", "")


def _parse(text: str, decoder: json.JSONDecoder) -> Any:
    _check_size(text)
    try:
        if len(text) < _LARGE:
            return decoder.decode(text)
        with _paused_collector():
            return decoder.decode(text)
    except (ValueError, RecursionError):
        raise BadInputError(_UNREADABLE) from None


# --- size -------------------------------------------------------------------------------------


def _check_size(text: str) -> None:
    # Also the characters inside texts, which are removed only if there are too many.
    if (count := _count(text)) <= MAX_LEVELS:
        return
    structure = _without_texts(text)
    if structure is not text:
        count = _count(structure)
    # With too many values, only the beginning is looked at.
    if _levels(structure if count <= MAX_VALUES else structure[: 4 * MAX_LEVELS]) > MAX_LEVELS:
        raise BadInputError(_UNREADABLE)
    if count > MAX_VALUES:
        raise _too_many_values()


def _without_texts(text: str) -> str:
    bare = text.replace("\\\\", "").replace('\\"', "") if "\\" in text else text
    quotes = bare.count('"')
    if quotes > 4 * MAX_VALUES:  # each value has at most one key
        raise _too_many_values()
    return "".join(bare.split('"')[::2]) if quotes else bare


def _count(text: str) -> int:
    """Return how many values a JSON text without texts has, or a few more."""
    return text.count(",") + text.count("[") + text.count("{") + 1


def _levels(structure: str) -> int:
    steps = structure.encode("ascii", "replace").translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def _too_many_values() -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"The JSON has more than {MAX_VALUES} values. Send long lists of numbers as `payload` in "
        "base64, or as `text`.",
        limit=MAX_VALUES,
    )


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Let the garbage collector pause: it would look at all new lists again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# --- strict numbers ---------------------------------------------------------------------------


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text[:MAX_DIGITS])
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(text[:MAX_DIGITS])
    return int(text)


def _integer_or_infinity(text: str) -> int | float:
    return int(text) if len(text) <= MAX_DIGITS else float(text)


_plain = json.JSONDecoder()
_lenient = json.JSONDecoder(parse_int=_integer_or_infinity)
_strict = json.JSONDecoder(parse_float=_finite, parse_int=_integer, parse_constant=_refuse)
