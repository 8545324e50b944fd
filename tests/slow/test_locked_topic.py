"""How long others wait while a transaction of the host has locked a topic: the exact times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from dasf_broker import aping
from dasf_broker.domain.publishing import PublishStatus
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import pong
from dasf_broker.operations.storage.lock import write_topic
from dasf_broker.runtime import current
from tests.conftest import MakeTopic, MakeUser
from tests.operations.test_locked_topics import (
    host_publishes,
    make_user_and_topics,
    open_transaction,
    sent,
)

pytestmark = pytest.mark.django_db(transaction=True)

#: Seconds that the transaction stays open: less than `DASF_DATABASE_TIMEOUT`.
OPEN = 6.0

#: Seconds that 99 of 100 writes to other topics take, at most.
BOUND = 0.1


class Stopwatch:
    """Measures how long awaitables take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, asked: Awaitable[Any]) -> Any:
        """Return what it returns."""
        began = time.monotonic()
        try:
            return await asked
        finally:
            self.seconds.append(time.monotonic() - began)

    def p99(self) -> float:
        """Return how long 99 of 100 took, at most."""
        return sorted(self.seconds)[int(0.99 * len(self.seconds))]


@pytest.fixture
def user(make_user: MakeUser, make_topic: MakeTopic) -> User:
    """Return a user who may do everything on both topics."""
    return make_user_and_topics(make_user, make_topic)


if connection.vendor == "postgresql":

    async def test_others_are_not_delayed(user: User) -> None:
        """Publishes, acknowledgements, pings and pongs, while clients also write to the topic."""
        caller, publishes, others = Caller(user), Stopwatch(), Stopwatch()

        async def publish_and_acknowledge() -> None:
            done = await publishes(sent(user, "other"))
            item = Acknowledging(caller, "other", done.message.message_id)
            await others(current().writer.acknowledge_one(item))

        async def ping_and_pong() -> None:
            await others(aping("other", user=user))
            await others(write_topic(pong, caller, "other"))

        waiting: list[asyncio.Future[Any]] = []

        async def write_to_the_locked_one() -> None:
            waiting.append(asyncio.ensure_future(sent(user, "locked")))
            waiting.append(asyncio.ensure_future(aping("locked", user=user)))
            await asyncio.sleep(0.02)

        await publish_and_acknowledge()
        with open_transaction(host_publishes):
            until = time.monotonic() + OPEN
            await asyncio.gather(
                *(
                    _repeat(each, until)
                    for each in (
                        *[publish_and_acknowledge] * 2,
                        ping_and_pong,
                        write_to_the_locked_one,
                    )
                )
            )
            assert not any(each.done() for each in waiting)
        outcomes = await asyncio.gather(*waiting)
        assert {each.status for each in outcomes[::2]} == {PublishStatus.STORED}
        assert publishes.p99() < BOUND
        assert others.p99() < BOUND


async def _repeat(write: Callable[[], Awaitable[None]], until: float) -> None:
    while time.monotonic() < until:
        await write()
