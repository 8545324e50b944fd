"""Pages of stored messages are bounded in bytes, whatever the size of the messages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from dasf_broker.domain.events import weight
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.hubs import FETCH, PAGE, PAGE_BYTES, read_page, stored_messages

pytestmark = pytest.mark.django_db

SMALL, LARGE = 100, PAGE_BYTES // 8


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], 0),
        ([SMALL] * (PAGE + 1), PAGE),
        # However small what came before was.
        ([SMALL] * 20 + [LARGE] * 20, 28),
        ([LARGE] * 20 + [SMALL] * 20, 8),
        # There is one at least, or nothing behind it would ever be read.
        ([2 * PAGE_BYTES, SMALL], 1),
    ],
    ids=["none", "small", "small, then large", "large, then small", "huge"],
)
def test_size(sizes: list[int], expected: int, topic: BrokerTopic) -> None:
    """A page ends with the message that makes it large enough."""
    _store(topic, sizes)
    page = read_page(stored_messages(topic.pk))
    assert [each.sequence for each in page] == [*range(1, expected + 1)]
    assert sum(map(weight, page[:-1])) < PAGE_BYTES


def test_no_more_is_fetched(topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into the page is not in memory either, but for a few messages."""
    fetched: list[Any] = []
    from_db = BrokerMessage.from_db

    def note(*args: Any) -> BrokerMessage:
        fetched.append(args)
        return from_db(*args)

    monkeypatch.setattr(BrokerMessage, "from_db", note)
    _store(topic, [LARGE] * 2 * FETCH)
    assert len(read_page(stored_messages(topic.pk))) == 8
    assert len(fetched) <= FETCH


def _store(topic: BrokerTopic, sizes: list[int]) -> None:
    BrokerMessage.objects.bulk_create(
        BrokerMessage(
            topic=topic,
            sequence=number,
            message_id=uuid4(),
            message_type="request",
            content={"payload": "x" * size, "properties": {}},
        )
        for number, size in enumerate(sizes, start=1)
    )
