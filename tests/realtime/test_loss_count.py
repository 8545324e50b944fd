"""The count of what is lost on the way and stored nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.realtime import loss_count
from dasf_broker.realtime.loss_count import LossCount, Serial, SerialNumbers


@given(sent=st.integers(1, 40), data=st.data())
def test_each_message_is_heard_or_missed(sent: int, data: st.DataObject) -> None:
    """Whatever is dropped, doubled or late: none is heard twice, each is heard or counted."""
    sender = SerialNumbers()
    serials = [sender.next(1) for _ in range(sent)]
    arrived = data.draw(st.lists(st.sampled_from(serials), max_size=80))
    reckoning = LossCount()
    reckoning.missed_before(serials[0])
    heard, missed = [serials[0]], 0
    for serial in arrived:
        lost = reckoning.missed_before(serial)
        if lost is not None:
            heard.append(serial)
            missed += lost
    assert heard == sorted(set(heard)), "in order, none twice"
    assert len(heard) + missed == heard[-1].number, "up to the last one, each is accounted for"


def test_first_of_a_stream_begins_the_count() -> None:
    """Nobody is told of what was sent before they listened."""
    assert LossCount().missed_before(Serial("stream", 700)) == 0


def test_senders_are_counted_apart() -> None:
    """Two processes that announce to one topic do not look like a loss."""
    one, two, reckoning = SerialNumbers(), SerialNumbers(), LossCount()
    for sender in (one, two, one, one, two):
        assert reckoning.missed_before(sender.next(1)) == 0


def test_topics_are_counted_apart() -> None:
    """What goes to another topic is no loss here."""
    sender, reckoning = SerialNumbers(), LossCount()
    assert reckoning.missed_before(sender.next(1)) == 0
    sender.next(2)
    assert reckoning.missed_before(sender.next(1)) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten topics begin a new stream, and forgotten streams count anew: no false alarm."""
    monkeypatch.setattr(loss_count, "TOPICS", 2)
    monkeypatch.setattr(loss_count, "STREAMS", 2)
    sender, reckoning = SerialNumbers(), LossCount()
    first = sender.next(1)
    sender.next(2)
    sender.next(3)
    assert sender.next(1).stream != first.stream
    for stream in "abc":
        assert reckoning.missed_before(Serial(stream, 5)) == 0
    assert reckoning.missed_before(Serial("a", 9)) == 0
    assert len(reckoning._received) == 2
