"""Who resumes behind a cursor misses nothing and gets nothing twice, or is told: CURSOR_EXPIRED."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.clients import graphql_socket, http_client
from tests.acceptance.servers import Server, Site, site
from tests.endurance.resuming import MESSAGES, PATIENCE, TOPIC, Publisher, Reader, check
from tests.endurance.wire import Wire

pytestmark = pytest.mark.timeout(180)

#: Messages between two blows.
STEP = 100

_PURGE = """
import django; django.setup()
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage.removal import purge_messages
purge_messages(BrokerTopic.objects.all())
"""
_RECREATE = """
import django; django.setup()
from django.contrib.auth.models import User
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
BrokerTopic.objects.all().delete()
topic = BrokerTopic.objects.create(slug="topic", store_messages="store", last_sequence=10)
grant(User.objects.get(username="consumer"), topic, Right.CONSUME)
"""

Prepared = tuple[Site, dict[str, str]]


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    """Return a site with a topic that keeps everything, and people's keys."""
    with site(tmp_path) as made:
        keys = made.prepare(
            {TOPIC: {"store_messages": "store"}},
            {"producer": ["can_produce"], "consumer": ["can_consume"]},
        )
        yield made, keys


async def test_restarts(prepared: Prepared) -> None:
    """Connections break all the time, and the server ends, politely or not, and comes again."""
    made, keys = prepared
    with ExitStack() as stack:
        servers = [stack.enter_context(made.server())]
        publisher = Publisher(servers, keys["producer"])
        reader = Reader(servers, keys["consumer"])
        blows: list[Callable[[Server], object]] = [Server.stop, Server.kill] * 2
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in (publisher, reader)]
            for blow in blows:
                await reader.until(len(reader.received) + STEP)
                await asyncio.to_thread(blow, servers[0])
                servers[0] = await asyncio.to_thread(stack.enter_context, made.server())
            await reader.until(len(reader.received) + STEP)
            tasks[0].cancel()
            await reader.until(max(publisher.answered))
            tasks[1].cancel()
    check(publisher, reader)
    assert reader.connections > len(blows) * STEP / PATIENCE


@pytest.mark.parametrize("change", [_PURGE, _RECREATE], ids=["purged", "recreated"])
async def test_cursor_of_what_is_gone(prepared: Prepared, change: str) -> None:
    """Behind what was removed, or of a topic that was made anew: an error, no silent hole."""
    made, keys = prepared
    with made.server() as server:
        async with http_client(server, keys["producer"]) as http:
            for text in "abc":
                await http.publish(TOPIC, text)
        async with graphql_socket(server, keys["consumer"]) as socket:
            first = await anext(socket.subscribe(MESSAGES, topic=TOPIC))
        assert await _code(server, keys["consumer"], first["cursor"]) is None
        await asyncio.to_thread(made.run, "-c", change)
        assert await _code(server, keys["consumer"], first["cursor"]) == "CURSOR_EXPIRED"


async def _code(server: Server, key: str, cursor: str) -> str | None:
    """Return the code of the error that a cursor is answered with, if any."""
    wire = await Wire.connect(server.port)
    await wire.upgrade_to_graphql(key)
    wire.subscribe(MESSAGES, topic=TOPIC, after=cursor)
    frame = json.loads(await wire.receive())
    wire.drop()
    if frame["type"] == "next":
        return None
    [error] = frame["payload"]
    code: str = error["extensions"]["code"]
    return code
