"""Missing messages are read page by page, until a page says that it is the last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.realtime.page_size import MissingPage, read_missing
from tests.realtime.conftest import message


@given(sizes=st.lists(st.integers(1, 4), max_size=6))
async def test_all_messages_of_pages_of_any_size(sizes: list[int]) -> None:
    """A page that is shorter than others is not taken for the last one."""
    count, asked = sum(sizes), []

    async def load(position: int) -> MissingPage:
        asked.append(position)
        size = sizes[len(asked) - 1] if sizes else 0
        rows = [message(sequence) for sequence in range(position + 1, position + size + 1)]
        return MissingPage(rows, is_last=position + size == count)

    found = [each.sequence async for each in read_missing(load, 0)]
    assert found == [*range(1, count + 1)]
    assert len(asked) == max(len(sizes), 1)
