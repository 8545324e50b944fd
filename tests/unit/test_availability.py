"""Is anybody there? The rule, at its boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.availability import UNKNOWN_AFTER, availability, changes_at
from dasf_broker.domain.times import CLOCKS_DIFFER

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MOMENTS = st.none() | st.timedeltas(timedelta(minutes=-5), timedelta(minutes=5)).map(
    lambda offset: NOW + offset
)


@pytest.mark.parametrize(
    ("ping_age", "pong_age", "answer"),
    [
        (None, None, None),
        (None, timedelta(0), None),
        (timedelta(0), None, False),
        (timedelta(0), timedelta(0), True),
        (timedelta(seconds=10), timedelta(seconds=9), True),
        (timedelta(seconds=10), timedelta(seconds=10) + TICK, False),
        (UNKNOWN_AFTER, None, False),
        (UNKNOWN_AFTER, timedelta(0), True),
        (UNKNOWN_AFTER + TICK, None, None),
        (UNKNOWN_AFTER + TICK, timedelta(0), None),
        (-CLOCKS_DIFFER, None, False),
        (-CLOCKS_DIFFER, -CLOCKS_DIFFER, True),
        (-CLOCKS_DIFFER - TICK, -CLOCKS_DIFFER - TICK, None),
        (timedelta(0), -CLOCKS_DIFFER, True),
        (timedelta(0), -CLOCKS_DIFFER - TICK, False),
        (timedelta(0), -timedelta(days=365), False),
        (-timedelta(days=365), None, None),
    ],
)
def test_boundaries(
    ping_age: timedelta | None, pong_age: timedelta | None, answer: bool | None
) -> None:
    """A ping counts for two minutes, a pong if it is not older; neither is of the future."""
    last_ping = None if ping_age is None else NOW - ping_age
    last_pong = None if pong_age is None else NOW - pong_age
    found = availability(now=NOW, last_ping=last_ping, last_pong=last_pong, supports_dasf=True)
    assert found is answer


@given(last_ping=MOMENTS, last_pong=MOMENTS)
def test_a_topic_without_dasf_is_never_known(
    last_ping: datetime | None, last_pong: datetime | None
) -> None:
    """Whatever was pinged, consumers that cannot answer are not called offline."""
    answer = availability(now=NOW, last_ping=last_ping, last_pong=last_pong, supports_dasf=False)
    assert answer is None
    assert changes_at(NOW, last_ping, supports_dasf=False) is None


@given(last_ping=MOMENTS)
def test_it_is_known_and_unknown_exactly_when_it_is_said_to_be(last_ping: datetime | None) -> None:
    """Until ``changes_at`` the answer is as known as now, a moment later it is not."""
    change = changes_at(NOW, last_ping, supports_dasf=True)
    if change is None:
        assert last_ping is None or NOW - last_ping > UNKNOWN_AFTER
        return
    is_ahead = not _is_known(NOW, last_ping)
    assert change >= NOW
    assert _is_known(change - TICK if is_ahead else change, last_ping) is not is_ahead
    assert _is_known(change if is_ahead else change + TICK, last_ping) is is_ahead


@given(last_ping=MOMENTS, last_pong=MOMENTS)
def test_a_known_answer_needs_a_ping_of_the_last_two_minutes(
    last_ping: datetime | None, last_pong: datetime | None
) -> None:
    """Online and offline are told apart by whether a pong of the past follows the ping."""
    answer = availability(now=NOW, last_ping=last_ping, last_pong=last_pong, supports_dasf=True)
    latest = NOW + CLOCKS_DIFFER
    if last_ping is None or not NOW - UNKNOWN_AFTER <= last_ping <= latest:
        assert answer is None
    else:
        assert answer is (last_pong is not None and last_ping <= last_pong <= latest)


def _is_known(now: datetime, last_ping: datetime | None) -> bool:
    found = availability(now=now, last_ping=last_ping, last_pong=None, supports_dasf=True)
    return found is not None
