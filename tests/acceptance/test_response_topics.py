"""A server is killed while somebody listens to a response topic: it is removed in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.clients import DEADLINE, graphql_socket
from tests.acceptance.servers import Site, site

pytestmark = pytest.mark.timeout(120)

ASK = """
mutation { publishMessage(input: {topic: "topic", text: "?", responseTopic: "topic_1"}) { status } }
"""
LISTEN = 'subscription { messages(topic: "topic_1") { cursor } }'

#: Marks the topic as another server does whose last consumer left.
_MARK = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from dasf_broker.models import BrokerTopic
topics = BrokerTopic.objects.filter(slug="topic_1")
assert topics.update(garbage_collect_on=timezone.now() + timedelta(minutes=10)) == 1
"""
_HOURS = """
import json
import django
django.setup()
from django.utils import timezone
from dasf_broker.models import BrokerTopic
mark = BrokerTopic.objects.get(slug="topic_1").garbage_collect_on
print(json.dumps(None if mark is None else (mark - timezone.now()).total_seconds() / 3600))
"""
_COLLECT = """
import json
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.upkeep.schedule import Report, steps
found = []
for hours in (20, 30):
    sum(steps(timezone.now() + timedelta(hours=hours)), Report())
    found.append(BrokerTopic.objects.filter(slug="topic_1").exists())
print(json.dumps(found))
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """Return a site without housekeeping, and the key of someone who asks."""
    settings = "tests.acceptance.settings_without_housekeeping"
    with site(tmp_path, DJANGO_SETTINGS_MODULE=settings) as made:
        keys = made.prepare({"topic": {}}, {"ann": ["can_produce", "can_consume"]})
        yield made, keys["ann"]


async def test_killed(made: tuple[Site, str]) -> None:
    """The mark was moved ahead while somebody listened, and comes due when nobody does."""
    here, key = made
    with (
        here.server(application="testproject.asgi:application") as server,
        suppress(ConnectionClosed),
    ):
        async with graphql_socket(server, key) as socket:
            await socket.execute(ASK)
            here.run("-c", _MARK)
            listening = asyncio.create_task(_listen(socket))
            async with asyncio.timeout(DEADLINE):
                while not 23 < (_said(here, _HOURS) or 0) < 25:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.2)
            server.kill()
            await asyncio.gather(listening, return_exceptions=True)
    assert 23 < _said(here, _HOURS) < 25
    assert _said(here, _COLLECT) == [True, False]


async def _listen(socket: Any) -> None:
    async for _ in socket.subscribe(LISTEN):
        pass


def _said(here: Site, script: str) -> Any:
    return json.loads(here.run("-c", script))
