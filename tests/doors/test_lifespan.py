"""The ASGI lifespan: what begins and ends with a server."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database, runtime
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import messages
from dasf_broker.routing import broker_application
from dasf_broker.runtime import current, shut_down
from tests.operations.streams import DEADLINE, publication, until, until_listening

pytestmark = pytest.mark.django_db(transaction=True)


class Lifespan:
    """The server's side of the protocol."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        application = broker_application(_no_http)
        self.serving = asyncio.ensure_future(
            application({"type": "lifespan"}, self._asked.get, self.told.put)
        )

    async def say(self, what: str) -> str:
        """Tell the application what happens; return its answer."""
        await self._asked.put({"type": f"lifespan.{what}"})
        async with asyncio.timeout(DEADLINE):
            answer: str = (await self.told.get())["type"]
        return answer


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_housekeeping_begins_and_ends_with_the_server(
    is_wanted: bool, settings: Settings, topic: BrokerTopic
) -> None:
    """It does not wait for the first connection."""
    settings.DASF_HOUSEKEEPING = is_wanted
    server = Lifespan()
    assert await server.say("startup") == "lifespan.startup.complete"
    assert _names().count("dasf-housekeeping") == is_wanted
    assert await server.say("shutdown") == "lifespan.shutdown.complete"
    assert "dasf-housekeeping" not in _names()
    await server.serving


async def test_the_end_finishes_what_was_begun(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """What was given to the writer is in the database and announced, and nothing is left."""
    # Nobody is pinged because its last consumer goes.
    await database.write(BrokerTopic.objects.update, supports_dasf=False)
    settled = asyncio.all_tasks()
    server = Lifespan()
    await server.say("startup")
    listening = asyncio.create_task(_listen(consumer))
    await until_listening(topic)
    publishing = [
        asyncio.create_task(current().writer.publish_one(publication(producer))) for _ in range(5)
    ]
    await asyncio.sleep(0)
    assert await server.say("shutdown") == "lifespan.shutdown.complete"
    assert all(each.done() for each in publishing)
    assert [each.result().message.sequence for each in publishing] == [1, 2, 3, 4, 5]
    assert "going down" in await listening
    assert "hub" not in vars(current())
    assert not [each for each in threading.enumerate() if each.name.startswith("dasf-")]
    await server.serving
    await until(lambda: asyncio.all_tasks() <= settled)
    assert await database.read(BrokerMessage.objects.count) == 5  # and it comes back


async def test_the_end_does_not_wait_for_ever(
    topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever hangs, and whatever fails, the other steps are done."""
    for name in ("WRITING", "ANNOUNCING", "LEAVING", "THREADS"):
        monkeypatch.setattr(runtime, name, 0.05)
    monkeypatch.setattr(runtime, "flush", _fail)
    monkeypatch.setattr(current(), "close_hub", asyncio.Event().wait)
    stuck = threading.Event()
    database.hand_over(stuck.wait, DEADLINE)
    monkeypatch.setattr(current(), "close_writer", asyncio.Event().wait)
    async with asyncio.timeout(DEADLINE):
        await shut_down()
    stuck.set()
    for told in ("Writing was not", "Announcing failed", "Leaving the", "1 threads still wait"):
        assert told in caplog.text


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_process_is_tuned_where_that_is_wanted(is_wanted: bool, settings: Settings) -> None:
    """The whole process of a host is changed by its own setting only."""
    settings.DASF_TUNE_PROCESS = is_wanted
    gc.unfreeze()
    interval = sys.getswitchinterval()
    server = Lifespan()
    try:
        assert await server.say("startup") == "lifespan.startup.complete"
        assert (sys.getswitchinterval() < interval) is is_wanted
        assert bool(gc.get_freeze_count()) is is_wanted
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
    await server.say("shutdown")
    await server.serving


async def test_a_server_that_cannot_start_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A setting that cannot be used ends it at once."""
    settings.DASF_HOUSEKEEPING = "perhaps"
    server = Lifespan()
    assert await server.say("startup") == "lifespan.startup.failed"
    await server.serving
    assert "DASF_HOUSEKEEPING" in caplog.text


async def _listen(user: User) -> str:
    try:
        async for _ in messages.messages(current(), Caller(user), "topic"):
            pass
    except Exception as error:  # noqa: BLE001 - it is the result
        return str(error)
    return ""


async def _no_http(*_: Any) -> None:
    raise AssertionError("A lifespan is not the host's business.")


async def _fail() -> None:
    raise ZeroDivisionError


def _names() -> list[str]:
    return [each.get_name() for each in asyncio.all_tasks()]
