"""Headers that clients fill, read in time that grows no faster than their length.

Django and Python read them in other ways: some texts make them fail, some are remembered for ever,
and a quoted cookie of 64 KiB takes seconds (``http.cookies`` before Python 3.11.10 and 3.12.6).
"""

from __future__ import annotations

from collections.abc import Collection

#: Longest value of a cookie that counts; browsers keep none that is longer.
MAX_COOKIE = 4096

#: Most parameters of a header that are read.
MAX_PARAMETERS = 16


def read_cookies(header: str, names: Collection[str]) -> dict[str, str]:
    """Return the cookies with these names; of several with one name the last.

    Quotes around a value are removed. What is escaped in them stays: no value of Django has it.
    """
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, separator, value = part.partition("=")
        if separator and (name := name.strip()) in names:
            found[name] = value.strip()
    return {name: _unquoted(value) for name, value in found.items() if len(value) <= MAX_COOKIE}


def read_parameters(header: str) -> tuple[str, dict[str, str]]:
    """Return the value of a header like ``Content-Type``, in lower case, and its parameters."""
    value, *parts = header.split(";", MAX_PARAMETERS)
    parameters = {}
    for part in parts:
        name, separator, text = part.partition("=")
        if separator:
            parameters[name.strip().lower()] = _unquoted(text.strip())
    return value.strip().lower(), parameters


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if is_quoted else text
