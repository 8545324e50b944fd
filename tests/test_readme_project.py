"""A new Django project that does what README.md says, served as README.md says."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from dasf_broker.transports.websocket.graphql import PROTOCOL
from tests import readme
from tests.services import free_port, wait_for_port


@dataclass(frozen=True)
class Host:
    """A running server of a project that did what README says."""

    port: int
    key: str


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Start a new project, do the four steps, and serve it as README says."""
    folder = tmp_path_factory.mktemp("host")
    _run(folder, "-m", "django", "startproject", "mysite", ".")
    for path, code in readme.files():
        with (folder / path).open(
            "w" if path.endswith("asgi.py") else "a", encoding="utf-8"
        ) as file:
            file.write(code)
    migrate, check, serve = (shlex.split(line)[1:] for line in readme.commands("manage.py migrate"))
    _run(folder, *migrate)
    _run(folder, *check, "--fail-level", "WARNING")
    create, export = readme.commands("dasf_topic weather")
    _run(folder, *shlex.split(create)[1:])
    key = _run(folder, *shlex.split(export.removeprefix("export KEY=$(").removesuffix(")"))[1:])
    port = free_port()
    serve[serve.index("--port") + 1] = str(port)
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", *serve], cwd=folder, env=_environment()
    ) as server:
        try:
            wait_for_port(port)
            yield Host(port, key.strip())
        finally:
            server.terminate()


def test_host_project_answers(host: Host) -> None:
    """The host's project serves its own schema, with the broker's types in it."""
    answer = _ask(host, "{ greeting viewer { username } }")
    assert answer == {"data": {"greeting": "hello", "viewer": {"username": "ada"}}}


def test_host_project_streams(host: Host) -> None:
    """The host's project delivers over the websocket what was published by HTTP."""
    _ask(host, 'mutation { publishMessage(input: {topic: "weather", text: "6 °C"}) { status } }')
    url = f"ws://127.0.0.1:{host.port}/graphql/"
    query = 'subscription { messages(topic: "weather") { text } }'
    with connect(url, subprotocols=[PROTOCOL]) as socket:  # type: ignore[list-item]
        payload = {"authorization": f"Bearer {host.key}"}
        socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        frames = [json.loads(socket.recv(timeout=20)) for _ in range(2)]
    assert [frame["type"] for frame in frames] == ["connection_ack", "next"]
    assert frames[1]["payload"] == {"data": {"messages": {"text": "6 °C"}}}


def _environment() -> dict[str, str]:
    own = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_SUPERUSER_PASSWORD": "secret"}
    return {**os.environ, **own, "PYTHONPATH": str(readme.ROOT)}


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ask(host: Host, query: str) -> Any:
    answer = httpx.post(
        f"http://127.0.0.1:{host.port}/graphql/",
        json={"query": query},
        headers={"authorization": f"Bearer {host.key}"},
        timeout=20,
    )
    return answer.json()
