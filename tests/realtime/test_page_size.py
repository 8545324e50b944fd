"""Pages that are small in bytes, whatever the size of their rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.events import weight
from dasf_broker.realtime.page_size import TARGET, PageSize
from tests.realtime.conftest import message


@given(sizes=st.lists(st.integers(0, 200_000), min_size=1, max_size=8))
def test_pages_follow_the_size_of_messages(sizes: list[int]) -> None:
    """After a page, the next of the same messages has at most the target, or one row."""
    pace = PageSize(200)
    for size in sizes:
        row = message(1, payload="x" * size)
        pace.note([row] * pace.rows)
        assert 1 <= pace.rows <= 200
        assert pace.rows * weight(row) <= TARGET or pace.rows == 1


def test_small_messages_make_large_pages() -> None:
    """A backlog of small messages is read in few queries."""
    pace = PageSize(200)
    assert pace.rows <= 4, "the first page is careful: what it meets is not known"
    for _ in range(3):
        pace.note([message(1)] * pace.rows)
    assert pace.rows == 200


def test_empty_page_teaches_nothing() -> None:
    """At the end of a backlog there is nothing to learn from."""
    pace = PageSize(200)
    before = pace.rows
    pace.note([])
    assert pace.rows == before
