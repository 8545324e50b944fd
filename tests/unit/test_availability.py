"""Is anybody there? The rule, at its boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.availability import UNKNOWN_AFTER, availability, expires_at, known_since

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
    ],
)
def test_boundaries(
    ping_age: timedelta | None, pong_age: timedelta | None, answer: bool | None
) -> None:
    """A ping counts for two minutes; a pong counts if it is not older than the ping."""
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
    assert expires_at(last_ping, supports_dasf=False) is None


@given(last_ping=MOMENTS, last_pong=MOMENTS)
def test_the_answer_ends_exactly_when_it_is_said_to(
    last_ping: datetime | None, last_pong: datetime | None
) -> None:
    """Until ``expires_at`` the answer is known, a moment later it is not."""
    end = expires_at(last_ping, supports_dasf=True)
    if end is None:
        assert last_ping is None
        return
    times = {"last_ping": last_ping, "last_pong": last_pong}
    assert availability(now=end, supports_dasf=True, **times) is not None
    assert availability(now=end + TICK, supports_dasf=True, **times) is None
    assert known_since(end) == last_ping


@given(last_ping=MOMENTS, last_pong=MOMENTS)
def test_a_known_answer_needs_a_ping_of_the_last_two_minutes(
    last_ping: datetime | None, last_pong: datetime | None
) -> None:
    """Online and offline are told apart by whether the pong follows the ping."""
    answer = availability(now=NOW, last_ping=last_ping, last_pong=last_pong, supports_dasf=True)
    if last_ping is None or NOW - last_ping > UNKNOWN_AFTER:
        assert answer is None
    else:
        assert answer is (last_pong is not None and last_pong >= last_ping)
