"""Count lost messages of topics that store nothing.

A stored message has a sequence, and a subscriber that misses it reads it. Other messages get
numbers from the process that announces them, topic by topic. From a gap in the numbers a hub knows
how many messages were lost.
"""

from __future__ import annotations

from collections import OrderedDict
from secrets import token_hex
from typing import NamedTuple

#: Topics for which one sender keeps its number; the others begin a new stream.
TOPICS = 10_000

#: Streams of one topic that a hub keeps: one for each process that publishes to it.
STREAMS = 64


class Serial(NamedTuple):
    """The number of an announcement among those of one sender to one topic."""

    stream: str
    number: int


class SerialNumbers:
    """Numbers the announcements of one sender. Call it in the order in which they are sent."""

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
    """The last numbers that a hub received of the streams of one topic."""

    def __init__(self) -> None:
        self._received: OrderedDict[str, int] = OrderedDict()

    def missed_before(self, serial: Serial) -> int | None:
        """Return how many messages were lost right before this one.

        Returns
        -------
        int or None
            ``None`` for a duplicate, or for a message so late that it was counted as lost. It is 0
            for the first message of a stream that is received.
        """
        last = self._received.pop(serial.stream, serial.number - 1)
        self._received[serial.stream] = max(last, serial.number)
        if len(self._received) > STREAMS:
            self._received.popitem(last=False)
        return serial.number - last - 1 if serial.number > last else None
