"""What somebody may no longer hear ends within five seconds, on a server as it is installed.

Whatever way a right is taken away, and how often a server looks: see ``tests/doors``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.clients import DEADLINE, RefusedError, graphql_socket
from tests.acceptance.servers import Server, Site, site

pytestmark = pytest.mark.timeout(120)

#: Seconds: promise 14.
PROMISED = 5.0

#: Each has something to say at once, so that it is known to have begun.
MESSAGES = 'subscription { messages(topic: "topic", start: OUTSTANDING) { cursor } }'
AVAILABILITY = 'subscription { availability(topic: "open") { status } }'

FORBIDDEN, UNAUTHENTICATED = "FORBIDDEN", 4401

#: What each of the people listens to, and how that ends.
PEOPLE: dict[str, tuple[str, str | int]] = {
    "revoked": (MESSAGES, FORBIDDEN),
    "left": (MESSAGES, FORBIDDEN),
    "deactivated": (MESSAGES, UNAUTHENTICATED),
    "expired": (MESSAGES, UNAUTHENTICATED),
    "signed_off": (MESSAGES, UNAUTHENTICATED),
    "shut_out": (AVAILABILITY, FORBIDDEN),
    "trusted": (MESSAGES, "never"),
}

_BEGIN = """
import django
django.setup()
from django.contrib.auth.models import Group, User
from django.utils import timezone
from dasf_broker.models import ApiToken, BrokerTopic, BrokerTopicUserPermission
from dasf_broker.operations.publish import publish_content
from dasf_broker.permissions import Right, grant, revoke
topic = BrokerTopic.objects.get(slug="topic")
"""

_JOIN = (
    _BEGIN
    + """
members = Group.objects.create(name="members")
grant(members, topic, Right.CONSUME)
left = User.objects.get(username="left")
revoke(left, topic, Right.CONSUME)
left.groups.add(members)
BrokerTopicUserPermission.objects.filter(user__username="shut_out").delete()
BrokerTopic.objects.create(slug="open", is_public=True)
publish_content(User.objects.create_superuser("boss"), "topic", {"payload": ""})
"""
)

#: All of it at once, and by statements that send no signal and save no row.
_TAKE = (
    _BEGIN
    + """
def remove(rows):
    assert rows._raw_delete(rows.db), rows

people = {user.username: user for user in User.objects.all()}
remove(BrokerTopicUserPermission.objects.filter(user=people["revoked"]))
remove(User.groups.through.objects.filter(user=people["left"]))
assert User.objects.filter(username="deactivated").update(is_active=False)
assert ApiToken.objects.filter(user=people["expired"]).update(expires=timezone.now())
remove(ApiToken.objects.filter(user=people["signed_off"]))
assert BrokerTopic.objects.filter(slug="open").update(is_public=False)
"""
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Site, dict[str, str]]]:
    """Return a site on the backend of this run, and people's keys."""
    with site(tmp_path) as made:
        keys = made.prepare({"topic": {}}, {name: ["can_consume"] for name in PEOPLE})
        made.run("-c", _JOIN)
        yield made, keys


async def test_it_ends_in_time(made: tuple[Site, dict[str, str]]) -> None:
    """For everybody but who may still listen."""
    running, keys = made
    begun = asyncio.Barrier(len(PEOPLE) + 1)
    with running.server() as server:
        ends = {name: asyncio.create_task(_end(server, keys, name, begun)) for name in PEOPLE}
        async with asyncio.timeout(DEADLINE):
            await begun.wait()
        trusted = ends.pop("trusted")
        await asyncio.to_thread(running.run, "-c", _TAKE)
        taken = time.monotonic()
        async with asyncio.timeout(DEADLINE):
            how = await asyncio.gather(*ends.values())
        seconds = time.monotonic() - taken
        assert not trusted.done()
        trusted.cancel()
    assert dict(zip(ends, how, strict=True)) == {name: PEOPLE[name][1] for name in ends}
    assert seconds < PROMISED


async def _end(
    server: Server, keys: dict[str, str], name: str, begun: asyncio.Barrier
) -> str | int | None:
    """Listen until that ends; return the error's code, or the socket's."""
    async with (
        graphql_socket(server, keys[name]) as socket,
        aclosing(socket.subscribe(PEOPLE[name][0])) as events,
    ):
        await anext(events)
        await begun.wait()
        try:
            await anext(events)
        except RefusedError as error:
            [refusal] = error.args[0]
            code: str = refusal["extensions"]["code"]
            return code
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else None
    return "something was heard"
