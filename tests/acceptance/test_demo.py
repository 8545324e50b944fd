"""The demo as a newcomer meets it: one command, live data, commands that work, a clean end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.services import free_port

ROOT = Path(__file__).parents[2]
#: Seconds that anything here may take at the very most.
PATIENCE = 60


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path
    environment: dict[str, str]

    @property
    def said(self) -> str:
        """What it wrote so far, errors too."""
        return self.output.read_text()

    @property
    def token(self) -> str:
        """The API token that it showed."""
        return re.findall(r"API token (\S+)", self.said)[0]  # type: ignore[no-any-return]

    def value(self, query: str, **variables: Any) -> Any:
        """Return the value of the only root field of a query or mutation, as `demo`."""
        body = self.post({"query": query, "variables": variables})
        assert "errors" not in body, body
        [value] = body["data"].values()
        return value

    def post(self, body: Any) -> Any:
        """Send a request with the token."""
        url = f"http://127.0.0.1:{self.port}/graphql/"
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.post(url, json=body, headers=headers, timeout=PATIENCE, trust_env=False).json()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run a demo for all tests of this module that only talk to it."""
    with started(tmp_path_factory.mktemp("demo")) as running:
        yield running


def test_topics(demo: Demo) -> None:
    """The first query that a newcomer sends is answered."""
    topics = demo.value("{ topics(first: 5) { edges { node { slug availability { status } } } } }")
    assert [edge["node"]["slug"] for edge in topics["edges"]] == ["echo", "inbox", "machine"]
    statuses = {edge["node"]["availability"]["status"] for edge in topics["edges"]}
    assert statuses <= {"ONLINE", "OFFLINE", "UNKNOWN"}


def test_pages(demo: Demo) -> None:
    """The pages for people are there, with their styles."""
    root = f"http://127.0.0.1:{demo.port}"
    with httpx.Client(base_url=root, timeout=PATIENCE, trust_env=False) as browser:
        assert browser.get("/graphql/", headers={"Accept": "text/html"}).status_code == 200
        assert browser.get("/admin/login/").status_code == 200
        assert browser.get("/static/admin/css/base.css").status_code == 200


def test_live_data(demo: Demo) -> None:
    """A subscriber gets readings of this machine, one after the other."""
    query = 'subscription { messages(topic: "machine") { publishTime data } }'
    with subscribed(demo, query) as socket:
        first, second = (received(socket)["messages"] for _ in range(2))
    assert first["publishTime"] < second["publishTime"]
    assert first["data"]["time"] < second["data"]["time"]
    assert len(second["data"]["load"]) == 3
    assert all(load >= 0 for load in second["data"]["load"])
    assert all(size > 0 for size in second["data"]["memory"].values())
    assert second["data"]["memory"]
    assert second["data"]["host"]


def test_ping(demo: Demo) -> None:
    """A ping is answered by the echo client, and the topic is online."""
    query = 'subscription { pongs(topic: "echo") { roundTripTime availability { status } } }'
    with subscribed(demo, query) as socket:
        # Whether the subscription has begun is not told: ping until it has.
        pong = poll(lambda: pinged(demo, socket))
    assert pong["roundTripTime"] >= 0
    assert pong["availability"]["status"] == "ONLINE"
    topic = demo.value('{ topic(slug: "echo") { availability { status } } }')
    assert topic["availability"]["status"] == "ONLINE"


def test_echo(demo: Demo) -> None:
    """A message to echo is stored, acknowledged by the echo client, and gone."""
    message_id = str(uuid4())
    published = demo.value(
        'mutation ($id: UUID!) { publishMessage(input: {topic: "echo", messageId: $id, '
        'text: "hello"}) { status } }',
        id=message_id,
    )
    assert published["status"] == "STORED"
    find = 'query ($id: UUID!) { message(topic: "echo", messageId: $id) { messageId } }'
    poll(lambda: demo.value(find, id=message_id) is None)


def test_commands(demo: Demo) -> None:
    """The commands to paste work in their order; the second time nothing is published again."""
    commands = [line for line in demo.said.splitlines() if line.startswith("curl ")]
    for status, answer in (
        ("STORED", {"status": "ACKNOWLEDGED", "removed": True}),
        ("DUPLICATE", {"status": "UNKNOWN", "removed": False}),
    ):
        published, acknowledged, _, _ = (sent(command) for command in commands)
        assert published["publishMessage"]["status"] == status
        assert acknowledged["acknowledgeMessage"] == answer
    poll(lambda: sent(commands[-1])["topic"]["availability"]["status"] == "ONLINE")


def test_machine_fills_nothing(demo: Demo) -> None:
    """The readings are not stored."""
    query = '{ messages(topic: "machine") { edges { node { messageId } } } }'
    assert demo.value(query) == {"edges": []}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end(tmp_path: Path, number: signal.Signals) -> None:
    """It ends when it is told to, says goodbye, and leaves no key behind."""
    query = 'subscription { messages(topic: "machine") { publishTime } }'
    with started(tmp_path) as running, subscribed(running, query) as socket:
        received(socket)  # with a subscriber, and with its own clients at work
        running.process.send_signal(number)
        assert running.process.wait(timeout=PATIENCE) == 0
    assert running.said.endswith("Goodbye!\n")
    assert "Traceback" not in running.said
    assert "again" not in running.said  # its clients did not try to come back
    assert token_labels(running) == ["quickstart"]


def test_port_in_use(demo: Demo, tmp_path: Path) -> None:
    """A second demo on the same port says so, and does nothing else."""
    command = [sys.executable, "manage.py", "quickstart", "--port", str(demo.port)]
    environment = {**os.environ, "DASF_VAR": str(tmp_path)}
    environment.pop("DATABASE_URL", None)
    second = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert second.returncode == 1
    assert f"Port {demo.port} cannot be used" in second.stderr
    assert "Traceback" not in second.stderr
    assert second.stdout == ""
    assert list(tmp_path.iterdir()) == []


@contextmanager
def started(folder: Path) -> Iterator[Demo]:
    """Run a demo on a database of its own."""
    port, output, environment = free_port(), folder / "output.txt", environment_in(folder)
    command = [sys.executable, "manage.py", "quickstart", "--port", str(port)]
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    running = Demo(process, port, output, environment)
    try:
        poll(lambda: "Ctrl-C" in running.said or process.poll() is not None)
        assert process.poll() is None, running.said
        yield running
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def environment_in(folder: Path) -> dict[str, str]:
    """Return an environment with an empty database, and a place in Redis that nobody uses."""
    environment = {**os.environ, "DASF_VAR": str(folder), "DEBUG": "1"}
    if url := environment.get("DATABASE_URL"):
        name = f"demo_{uuid4().hex}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        environment["DATABASE_URL"] = urlsplit(url)._replace(path=f"/{name}").geturl()
    if url := environment.get("REDIS_URL"):
        environment["REDIS_URL"] = urlsplit(url)._replace(path="/9").geturl()
    return environment


@contextmanager
def subscribed(demo: Demo, query: str) -> Iterator[ClientConnection]:
    """Subscribe with the token."""
    protocols = [Subprotocol("graphql-transport-ws")]
    url = f"ws://127.0.0.1:{demo.port}/graphql/"
    with connect(url, subprotocols=protocols, proxy=None, open_timeout=PATIENCE) as socket:
        init = {"Authorization": f"Bearer {demo.token}"}
        socket.send(json.dumps({"type": "connection_init", "payload": init}))
        assert json.loads(socket.recv(PATIENCE)) == {"type": "connection_ack"}
        payload = {"query": query}
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        yield socket


def received(socket: ClientConnection, seconds: float = PATIENCE) -> Any:
    """Return the data of the next event."""
    frame = json.loads(socket.recv(seconds))
    assert frame["type"] == "next", frame
    return frame["payload"]["data"]


def pinged(demo: Demo, socket: ClientConnection) -> Any:
    """Ping, and return the pong if one comes soon."""
    demo.value('mutation { pingTopic(topic: "echo") { pingedAt } }')
    try:
        return received(socket, seconds=2)["pongs"]
    except TimeoutError:
        return None


def sent(command: str) -> Any:
    """Send what a curl command sends, and return the data of the answer."""
    words = shlex.split(command)
    assert words[:2] == ["curl", "-sS"]
    headers = dict(word.split(": ", 1) for flag, word in pairwise(words) if flag == "-H")
    body = words[words.index("-d") + 1]
    answer = httpx.post(
        words[2], content=body, headers=headers, timeout=PATIENCE, trust_env=False
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def token_labels(demo: Demo) -> list[str]:
    """Return the labels of the tokens in the demo's database."""
    code = (
        "from dasf_broker.models import ApiToken; "
        "print(*ApiToken.objects.values_list('label', flat=True), sep='\\n')"
    )
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    told = subprocess.check_output(
        command, cwd=ROOT, env=demo.environment, text=True, timeout=PATIENCE
    )
    return told.splitlines()


def poll(condition: Any) -> Any:
    """Ask again until the answer is yes, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < deadline, "This did not happen in time."
        time.sleep(0.05)
    return answer
