"""How many bytes values have as JSON, and how many an operation may use."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from threading import Lock
from typing import Any

from dasf_broker.exceptions import BrokerError

#: Stored values with more bytes than this are large: their sizes are added up before they are read.
#: The condition of an index contains this number, so a change of it needs a migration.
LARGE = 4096

_JSON = json.JSONEncoder(separators=(",", ":"))


def text_size(text: str) -> int:
    """Return the bytes of a text in JSON, written in ASCII as all answers are."""
    return len(encode_basestring_ascii(text))


def json_size(value: Any) -> int:
    """Return the bytes of a value as JSON, written in ASCII; 0 if it cannot be written."""
    try:
        return len(_JSON.encode(value))
    except (TypeError, ValueError, RecursionError):
        return 0  # whoever writes it says what is wrong


class ByteBudget:
    """The bytes that the parts of one operation may use together, also in several threads.

    Parameters
    ----------
    limit
        How many bytes they are.
    refuse
        Makes the error for more than that, from the bytes that are asked for in all and the limit.
    """

    def __init__(self, limit: int, refuse: Callable[[int, int], BrokerError]) -> None:
        self._limit = limit
        self._refuse = refuse
        self._spent = 0
        self._lock = Lock()

    def spend(self, size: int) -> None:
        """Use some bytes.

        Raises
        ------
        BrokerError
            There are not as many left.
        """
        with self._lock:
            self._spent += size
            spent = self._spent
        if spent > self._limit:
            raise self._refuse(spent, self._limit)
