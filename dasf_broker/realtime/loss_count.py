"""Makes the loss of messages visible that are not stored.

A stored message has a sequence, and a subscriber that misses it reads it. What is not stored is
numbered by each process that announces it, topic by topic; a number that does not follow the one
before tells the hubs how many were lost on the way.
"""

from __future__ import annotations

from collections import OrderedDict
from secrets import token_hex
from typing import NamedTuple

#: Topics that one sender remembers its number for; the others begin a new stream.
TOPICS = 10_000

#: Streams of one topic that a hub remembers: as many processes as publish to it at once.
STREAMS = 64


class Serial(NamedTuple):
    """The place of an announcement among those of one sender to one topic."""

    stream: str
    number: int


class SerialNumbers:
    """Numbers what one sender announces. To be used in the order in which it is sent."""

    def __init__(self) -> None:
        self._last: OrderedDict[int, Serial] = OrderedDict()

    def next(self, topic_id: int) -> Serial:
        """Return the serial of the next announcement to a topic."""
        last = self._last.pop(topic_id, None)
        serial = Serial(token_hex(8), 1) if last is None else Serial(last.stream, last.number + 1)
        self._last[topic_id] = serial
        if len(self._last) > TOPICS:
            self._last.popitem(last=False)
        return serial


class LossCount:
    """What a hub has heard of the streams of one topic."""

    def __init__(self) -> None:
        self._heard: OrderedDict[str, int] = OrderedDict()

    def missed_before(self, serial: Serial) -> int | None:
        """Return how many were lost right before this one.

        Returns
        -------
        int or None
            Nothing if it is no news: it came before, or is so late that it was counted as lost.
            The first of a stream that is heard has nothing before it.
        """
        last = self._heard.pop(serial.stream, serial.number - 1)
        self._heard[serial.stream] = max(last, serial.number)
        if len(self._heard) > STREAMS:
            self._heard.popitem(last=False)
        return serial.number - last - 1 if serial.number > last else None
