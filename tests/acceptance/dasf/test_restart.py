"""The unmodified client survives what happens to servers: it connects again by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.dasf.conftest import Broker
from tests.acceptance.servers import site

TOPICS = {"module": {"supports_dasf": True}}
PEOPLE = {"client": ["can_produce"], "module": ["can_consume"]}


@pytest.mark.timeout(240)
def test_the_server_is_started_again(tmp_path: Path) -> None:
    """Module and client come back, and requests that waited for the module are answered."""
    with site(tmp_path) as made:
        keys = made.prepare(TOPICS, PEOPLE)
        with made.server() as first:
            broker = Broker(first, keys)
            with broker.module() as module, broker.client("client") as client:
                assert client.call("who") == module.pid
                assert first.stop() < 0
                # The client is back after five seconds, the module after ten.
                with made.server(port=first.port):
                    waiting = [client.begin({"func_name": "who"}) for _ in range(3)]
                    answers = [each.result(60)["msg"] for each in waiting]
                    assert answers == [str(module.pid)] * 3
                    assert module.poll() is None
