"""What `docs/howto/servers.md` says about each server holds, with the commands that stand there."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests import services
from tests.acceptance.outages import locked
from tests.acceptance.servers import AS_IN_README, Site
from tests.docs import pages
from tests.hosts.projects import host_project

pytestmark = pytest.mark.timeout(240)

PAGE = "howto/servers.md"

#: Sockets of one account, as few as can be.
SOCKETS = 5

#: Seconds after which something that should happen is not going to.
DEADLINE = 20.0

PUBLISH = json.dumps({"properties": {"messageType": "log"}, "payload": "aGk=", "context": 1})
SUBSCRIBE = 'subscription { messages(topic: "weather", start: NEW) { text } }'

UVICORN = shlex.join(["uvicorn", "mysite.asgi:application", "--port", "8000", *AS_IN_README])
COMMANDS = [UVICORN, *(each.text for each in pages.read(PAGE).blocks if each.kind == "sh")]
ROWS = {name: rest for name, *rest in pages.table(PAGE, "server")}


@dataclass(frozen=True)
class Running:
    """A server, its site, and what the page says about it."""

    process: subprocess.Popen[bytes]
    site: Site
    port: int
    keys: dict[str, str]
    row: list[str]

    async def dasf(self, path: str, name: str, **headers: str) -> ClientConnection:
        """Open a DASF websocket."""
        headers["Authorization"] = f"Token {self.keys[name]}"
        return await connect(
            f"ws://127.0.0.1:{self.port}/ws/{path}", additional_headers=headers, compression=None
        )

    async def graphql(self, key: str) -> ClientConnection:
        """Open a GraphQL websocket with a key."""
        socket = await connect(
            f"ws://127.0.0.1:{self.port}/graphql/",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
        )
        payload = {"Authorization": f"Token {key}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        return socket

    async def subscribed(self) -> ClientConnection:
        """Open a GraphQL websocket with a subscription."""
        socket = await self.graphql(self.keys["ada"])
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": SUBSCRIBE}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        return socket

    async def end(self) -> None:
        """End the server as a process manager does; it takes its time, but not for ever."""
        self.process.terminate()
        assert await asyncio.to_thread(self.process.wait, DEADLINE) in (0, -15)


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=[*ROWS])
async def test_server(number: int, tmp_path: Path) -> None:
    """It serves, refuses and ends as the table says."""
    row = [*ROWS.values()][number]
    files = pages.files_of(PAGE)
    settings = f"DASF_MAX_SOCKETS_PER_USER = {SOCKETS}\n"
    with host_project(tmp_path, settings=settings, files=files) as site:
        keys = site.prepare({"weather": {}}, {"ada": ["can_produce", "can_consume"], "bob": []})
        with _process(COMMANDS[number], site) as (process, port):
            running = Running(process, site, port, keys, row)
            await _serves(running)
            await _refuses(running)
            await _revokes(running)
            await _ends(running)


async def _serves(running: Running) -> None:
    """Publish by DASF; receive by DASF, by GraphQL's websocket, and by events."""
    async with asyncio.timeout(DEADLINE), _events(running) as events:
        subscribed = await running.subscribed()
        consumer = await running.dasf("weather/x", "ada")
        producer = await running.dasf("weather", "ada")
        received = [asyncio.ensure_future(each) for each in (subscribed.recv(), anext(events))]
        while not all(each.done() for each in received):  # they hear what comes once they listen
            await producer.send(PUBLISH)
            assert json.loads(await producer.recv())["result"] == "ok"
            await asyncio.wait(received, timeout=0.2)
        assert [each.result() for each in received] == [
            '{"id":"1","type":"next","payload":{"data":{"messages":{"text":"hi"}}}}',
            'data: {"data":{"messages":{"text":"hi"}}}',
        ]
        while json.loads(await consumer.recv())["payload"] != "aGk=":
            pass  # a ping
        for socket in (subscribed, consumer, producer):
            await socket.close()


async def _refuses(running: Running) -> None:
    """For ever with a close frame; for a while as the page says."""
    assert await _ending(await running.graphql("nonsense")) == 4401
    evil = await running.dasf("weather/x", "ada", Origin="https://elsewhere.example")
    assert await _ending(evil) == 4403
    sockets = [await running.dasf("weather/x", "ada") for _ in range(SOCKETS)]
    comes_back = running.row[1] == "yes"
    ending = await _ending(await running.dasf("weather/x", "ada"))
    assert ending == (None if comes_back else 1013)
    assert await _ending(await running.graphql(running.keys["ada"])) in {1013, None}
    for socket in sockets:
        await socket.close()


async def _revokes(running: Running) -> None:
    """Sockets that wait for something to come end with their credential."""
    sockets = [await running.dasf("weather", "bob"), await running.graphql(running.keys["bob"])]
    running.site.run("manage.py", "shell", "-v0", "-c", _REVOKE)
    assert [await _ending(each) for each in sockets] == [4401, 4401]


_REVOKE = "from dasf_broker.models import *; ApiToken.objects.filter(user__username='bob').delete()"
_COUNT = "from dasf_broker.models import *; print(BrokerMessage.objects.count())"


async def _ends(running: Running) -> None:
    """With `SIGTERM`, while a message is being written."""
    comes_back, _, graphql, message = running.row
    subscribed = await running.subscribed()
    consumer = await running.dasf("weather/x", "ada")
    producer = await running.dasf("weather", "ada")
    before = int(running.site.run("manage.py", "shell", "-v0", "-c", _COUNT))
    with locked(running.site):
        await producer.send(PUBLISH)
        await asyncio.sleep(0.5)  # it is on its way
        ending = asyncio.create_task(running.end())
        await asyncio.sleep(0.5)
    answers: list[str] = []
    endings = [await _ending(each, answers) for each in (producer, consumer)]
    assert all((ending is None) is (comes_back == "yes") for ending in endings), endings
    assert await _ending(subscribed) == {"1012": 1012, "connection lost": None}[graphql]
    await ending
    answered = [each for each in answers if json.loads(each).get("result") == "ok"]
    stored = int(running.site.run("manage.py", "shell", "-v0", "-c", _COUNT)) - before
    assert len(answered) == 1 if message == "is answered" else len(answered) <= stored


async def _ending(socket: ClientConnection, received: list[str] | None = None) -> int | None:
    """Return the code with which the server closes a socket, or ``None`` without a close frame."""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                text = await socket.recv()
                if received is not None:
                    received.append(str(text))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def _events(running: Running) -> AsyncIterator[AsyncIterator[str]]:
    """Subscribe by server-sent events; yield the lines with data."""
    headers = {"Authorization": f"Token {running.keys['ada']}", "Accept": "text/event-stream"}
    url = f"http://127.0.0.1:{running.port}/graphql/"
    async with (
        httpx.AsyncClient(headers=headers, timeout=DEADLINE) as client,
        client.stream("POST", url, json={"query": SUBSCRIBE}) as response,
    ):
        lines = response.aiter_lines()
        yield (line async for line in lines if line.startswith("data: {"))


@contextmanager
def _process(command: str, site: Site) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = services.free_port()
    words = shlex.split(command.replace("8000", str(port)))
    log = site.folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=site.folder,
            env=dict(site.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        services.wait_for_port(port, seconds=60)
        yield process, port
    except BaseException:
        sys.stderr.write(log.read_text())
        raise
    finally:
        process.kill()
        process.wait()


def test_every_server_is_tried() -> None:
    """The table has a row for each command, in order."""
    programs = [shlex.split(each)[0] for each in COMMANDS]
    assert [row.split()[0] for row in ROWS] == programs
    assert {each for row in ROWS.values() for each in row[:2]} == {"yes", "no"}
