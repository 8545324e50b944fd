"""A server, backend modules in processes of their own, and clients, all of them real."""

from __future__ import annotations

import asyncio
import atexit
import base64
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.servers import ROOT, Server, site

with warnings.catch_warnings():
    # demessaging 0.6.4 imports modules that it has deprecated itself.
    warnings.simplefilter("ignore", DeprecationWarning)
    from demessaging.config.messaging import WebsocketURLConfig
    from demessaging.messaging.producer import MessageProducer

#: Seconds after which something that should happen is not going to.
DEADLINE = 40.0


@dataclass(frozen=True, slots=True)
class Client:
    """A ``MessageProducer``, which waits for ever, with a deadline."""

    producer: MessageProducer

    def ask(self, payload: dict[str, Any] | None = None, **properties: Any) -> Any:
        """Send a request; return what the client returns."""
        return self.begin(payload, **properties).result(DEADLINE)

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function of the backend module; return its result."""
        answer = self.ask({"func_name": function, **arguments})
        assert answer["status"] == "success", answer
        return json.loads(answer["msg"])

    def begin(self, payload: dict[str, Any] | None = None, **properties: Any) -> Future[Any]:
        """Send a request in a thread of its own, because sending it blocks the event loop."""
        encoded = base64.b64encode(json.dumps(payload or {}).encode()).decode()
        request = {"payload": encoded, "properties": properties}
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(asyncio.run(self.producer.send_request(request)))
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def next_answer(self) -> Any:
        """Return one more answer to the last request."""
        queues = self.producer._message_queues
        return queues[max(queues)].get(timeout=DEADLINE)


@dataclass(frozen=True, slots=True)
class Broker:
    """A running server and the keys of its users."""

    server: Server
    keys: dict[str, str]

    @property
    def url(self) -> str:
        """Where the DASF websockets are."""
        return f"ws://127.0.0.1:{self.server.port}/ws"

    def header(self, name: str) -> dict[str, str]:
        """Return what identifies a user, or somebody with a key that nobody has."""
        return {"Authorization": f"Token {self.keys.get(name, 'wrong')}"}

    @contextmanager
    def module(self, topic: str = "module") -> Iterator[subprocess.Popen[bytes]]:
        """Run a backend module."""
        command = [sys.executable, "-m", "tests.acceptance.dasf.module", "--topic", topic]
        options = ["--header", json.dumps(self.header("module")), "--websocket-url", self.url]
        process = subprocess.Popen(
            [*command, *options, "listen"],
            cwd=ROOT,
            env={**os.environ, "DASF_REPORT_SHOW_METHOD": "NONE"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def client(self, name: str, topic: str = "module") -> Iterator[Client]:
        """Connect a client."""
        values = {"topic": topic, "header": self.header(name), "websocket_url": self.url}
        config = WebsocketURLConfig.model_validate(values)
        producer = MessageProducer(config)
        producer.connect()  # type: ignore[no-untyped-call]
        try:
            assert producer.wait_for_connection(DEADLINE)  # type: ignore[no-untyped-call]
            yield Client(producer)
        finally:
            producer.out_app.close()  # `disconnect` forgets it
            producer.disconnect()  # type: ignore[no-untyped-call]
            atexit.unregister(producer.disconnect)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run a server with three private topics; `client` asks, `module` answers, `other` may not."""
    topics = {slug: {"supports_dasf": True} for slug in ("module", "shared", "restarted")}
    people = {"client": ["can_produce"], "module": ["can_consume"], "other": []}
    with site(tmp_path_factory.mktemp("dasf")) as made:
        keys = made.prepare(topics, people)
        with made.server() as server:
            yield Broker(server, keys)


@pytest.fixture(scope="module")
def module(broker: Broker) -> Iterator[None]:
    """Run a backend module on the topic `module`."""
    with broker.module():
        yield


@pytest.fixture
def connect(broker: Broker) -> Iterator[Callable[..., Client]]:
    """Return a function that connects a client, until the test ends."""
    with ExitStack() as stack:
        yield lambda *args: stack.enter_context(broker.client(*args))
