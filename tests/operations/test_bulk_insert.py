"""Rows that are written without being made into objects: as Django would write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from dasf_broker import primary
from dasf_broker.models import BrokerMessage, BrokerTopic, RememberedMessage
from dasf_broker.sql.bulk_insert import BulkInsert
from tests.operations.helpers import queries

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = (
    *("topic_id", "message_id", "sequence", "fingerprint", "user_id", "date_created"),
    *("message_type", "context", "content"),
)
CONTENTS: list[Any] = [{"a": [1, None, "ä%s"]}, {}, {"b": 1.5}, {"%": "%%"}]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_rows_are_read_as_they_were_written(count: int, topic: BrokerTopic) -> None:
    """One query, whatever is in them, however many there are."""
    user = User.objects.create_user("somebody")
    rows = [
        (
            *(topic.pk, UUID(int=number), number, f"{number}" * 64, [user.pk, None][number % 2]),
            *(NOW, "info", [None, -(2**63)][number % 2], CONTENTS[number]),
        )
        for number in range(count)
    ]
    insert = BulkInsert(BrokerMessage, *COLUMNS)
    assert queries(lambda: insert(rows)) == 1
    assert list(BrokerMessage.objects.order_by("sequence").values_list(*COLUMNS)) == rows


def test_nothing_is_done_for_no_rows() -> None:
    """No query."""
    assert queries(lambda: BulkInsert(BrokerMessage, *COLUMNS)([])) == 0


@pytest.mark.parametrize("count", [1, 3])
def test_rows_that_are_there_are_written_over(count: int, topic: BrokerTopic) -> None:
    """Found by the columns that are named; the rest is new."""
    columns = ("topic_id", "message_id", "sequence", "fingerprint", "date_created", "forget_on")
    insert = BulkInsert(RememberedMessage, *columns, replacing=("topic_id", "message_id"))

    def rows(shift: int) -> list[tuple[Any, ...]]:
        return [
            (topic.pk, UUID(int=number), number + shift, "", NOW, NOW) for number in range(count)
        ]

    insert(rows(1))
    insert(rows(5))
    found = RememberedMessage.objects.order_by("sequence").values_list(*columns)
    assert list(found) == rows(5)


@pytest.mark.parametrize("count", [2, 3])
def test_all_or_none(count: int, topic: BrokerTopic) -> None:
    """A row that cannot be written takes the others with it."""
    numbers = [*range(1, count), 1]
    rows: list[tuple[Any, ...]] = [
        (topic.pk, UUID(int=index), number, "", None, NOW, "info", None, {})
        for index, number in enumerate(numbers)
    ]
    with pytest.raises(IntegrityError), primary.atomic():
        BulkInsert(BrokerMessage, *COLUMNS)(rows)
    assert not BrokerMessage.objects.exists()


def test_a_failed_row_ends_the_transaction(topic: BrokerTopic) -> None:
    """Who catches the error inside of it can write nothing more, as with Django's own."""
    row: tuple[Any, ...] = (topic.pk, UUID(int=1), 1, "", None, NOW, "info", None, {})
    insert = BulkInsert(BrokerMessage, *COLUMNS)
    with primary.atomic():
        insert([row])
        with pytest.raises(IntegrityError):
            insert([row])
        with pytest.raises(transaction.TransactionManagementError):
            insert([(topic.pk, UUID(int=2), 2, "", None, NOW, "info", None, {})])
        transaction.set_rollback(True, using=primary.alias())
