"""A disk that is full: told in time, nothing half-written, and it goes on when there is room."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection

from dasf_broker import database
from dasf_broker.domain.envelope import Envelope
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.runtime import current

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = "x" * 100_000

if connection.vendor == "sqlite":  # the disk of a PostgreSQL server is not ours to fill

    async def test_the_disk_is_full(
        topic: BrokerTopic, producer: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What was answered is there, what was refused is not, and no sequence is missing."""
        await database.write(_allow_pages, 0)  # no more than there are
        answered, refusal = 0, None
        while refusal is None:  # free pages are used first
            try:
                await current().writer.publish([_message(producer), _message(producer)])
                answered += 2
            except UnavailableError as error:
                refusal = error
        assert "Nothing was changed" in str(refusal)
        assert "SQLITE_FULL: database or disk is full" in caplog.text
        assert str(refusal.log_id) in caplog.text
        assert await database.read(_sequences) == [*range(1, answered + 1)]
        await database.write(_allow_pages, 2**30)
        published = await current().writer.publish_one(_message(producer))
        assert published.message.sequence == answered + 1


def _message(user: User) -> Publication:
    envelope = Envelope.compose(max_size=2 * len(LARGE), text=LARGE)
    return Publication(Caller(user), "topic", envelope)


def _allow_pages(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA max_page_count = {max(count, 1)}")


def _sequences() -> list[int]:
    rows = BrokerMessage.objects.order_by("sequence")
    return list(rows.values_list("sequence", flat=True))
