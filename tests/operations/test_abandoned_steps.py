"""What goes on in the background is right, too, when the database was waited for in vain."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import heartbeat
from dasf_broker.operations.subscriptions import consumers
from dasf_broker.operations.subscriptions.hub_access import load_topic
from dasf_broker.operations.upkeep import pings, schedule
from dasf_broker.operations.upkeep.lease import take_lease
from dasf_broker.operations.upkeep.schedule import LEASE, run_regularly
from dasf_broker.runtime import current
from tests.operations.streams import DEADLINE, until

pytestmark = pytest.mark.django_db(transaction=True)

#: So short that nothing else happens while it lasts; the thread is held up for longer.
SOON = 0.05


@pytest.fixture
def held_up() -> Iterator[threading.Event]:
    """Return what lets a thread go on, at the end of the test at the latest."""
    may_go_on = threading.Event()
    yield may_go_on
    may_go_on.set()


async def test_a_step_of_the_housekeeping(
    topic: BrokerTopic,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    held_up: threading.Event,
    hub_lifetime: None,
) -> None:
    """The thread finishes the step that nobody waits for any more, and gives the lease back."""
    begin, ping_topics = schedule.begin, heartbeat.ping_topics

    def begin_without_patience(holder: str, **options: Any) -> Any:
        work = begin(holder, **options)
        settings.DASF_DATABASE_TIMEOUT = SOON  # for the steps
        return work

    def ping(pinged: list[BrokerTopic]) -> Any:
        assert held_up.wait(DEADLINE)
        return ping_topics(pinged)

    monkeypatch.setattr(schedule, "begin", begin_without_patience)
    monkeypatch.setattr(pings, "ping_unlocked_topics", ping)
    house = asyncio.create_task(run_regularly(current()))
    await until(lambda: "was put off" in caplog.text)
    house.cancel()
    await asyncio.gather(house, return_exceptions=True)
    del house
    gc.collect()
    settings.DASF_DATABASE_TIMEOUT = DEADLINE
    held_up.set()
    assert await database.write(take_lease, LEASE, "other", 60)
    assert await database.read(lambda: BrokerTopic.objects.get().last_ping) is not None
    assert "already executing" not in caplog.text


async def test_who_waited_in_vain_does_not_wait_again(
    topic: BrokerTopic, consumer: User, held_up: threading.Event, hub_lifetime: None
) -> None:
    """Leaving is noted behind the back of who was told that the database does not answer."""
    stuck = database.hand_over(held_up.wait, DEADLINE)
    with pytest.raises(UnavailableError, match="a test"):
        async with consumers.consuming(current(), await database.read(load_topic, topic.pk)):
            raise UnavailableError("a test")
    assert not stuck.done()
    held_up.set()
    await until(lambda: not current().consumer_log._writing)
    assert await database.read(lambda: BrokerTopic.objects.get().last_ping) is not None
