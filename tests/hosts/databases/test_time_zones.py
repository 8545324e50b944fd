"""``USE_TZ = False`` far from UTC: times in the API have offsets, and what is due is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.acceptance.clients import GraphQLSocket, Http, graphql_socket, http_client
from tests.acceptance.servers import Server, Site
from tests.hosts.projects import host_project, services_of_backend

_SETTINGS = """
USE_TZ = False
TIME_ZONE = "America/New_York"
"""

#: What is due and what is not, in one process of the project.
_UPKEEP = """
import io, json
from datetime import UTC, datetime, timedelta
import django
django.setup()
from django.core.management import call_command
from dasf_broker import create_topic, ping, publish
from dasf_broker.auth import create_token, token_owners
from dasf_broker.models import *
from django.contrib.auth import get_user_model

def run(*command):
    out = io.StringIO()
    call_command(*command, stdout=out)
    return json.loads(out.getvalue())

now, hour = datetime.now(UTC), timedelta(hours=1)
ada = get_user_model().objects.get(username="ada")

# Two thirds of an hour old, and of the limit; an hour more is too old.
topic = create_topic("aged", store_messages="store", retention_age=3600)
for age in (100, 40):
    done = publish("aged", text=str(age))
    rows = BrokerMessage.objects.filter(message_id=done.message_id)
    rows.update(date_created=now - timedelta(minutes=age))
assert run("dasf_housekeeping", "--json")["retired"] == 1
assert [row.topic.slug for row in BrokerMessage.objects.filter(topic__slug="aged")] == ["aged"]
assert run("dasf_housekeeping", "--json")["retired"] == 0

answers = ResponseTopic.objects.create(
    slug="aged_answers", is_response_for=BrokerTopic.objects.get(slug="aged"),
    garbage_collect_on=now + hour,
)
assert run("dasf_housekeeping", "--json")["collected"] == 0
ResponseTopic.objects.update(garbage_collect_on=now - hour)
assert run("dasf_housekeeping", "--json")["collected"] == 1

for ahead, is_valid in ((hour, True), (-hour, False)):
    for expires in (now + ahead, (datetime.now() + ahead)):  # a local time is one of TIME_ZONE
        _, key = create_token(ada, expires=expires)
        assert (key in token_owners([key])) is is_valid, (ahead, expires)

ping("aged")
topic = BrokerTopic.objects.get(slug="aged")
assert abs(topic.last_ping - datetime.now(UTC)) < timedelta(minutes=1)
assert topic.availability is False
assert topic in BrokerTopic.objects.filter_offline()
made = BrokerTopic.objects.create(slug="fresh")
assert abs(made.date_created - datetime.now(UTC)) < timedelta(minutes=1)

# Both of the moments of an autumn night that have the same local time.
moments = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]
read = []
for moment in moments:
    BrokerTopic.objects.filter(slug="fresh").update(last_ping=moment)
    read.append(BrokerTopic.objects.get(slug="fresh").last_ping)
print(json.dumps([each == moment for each, moment in zip(read, moments)]))
"""

_ADMIN = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from dasf_broker.models import ApiToken
root = get_user_model().objects.create_superuser("root")
browser = Client()
browser.force_login(root, "django.contrib.auth.backends.ModelBackend")
token = {"user": root.pk, "label": "x", "expires_0": "2030-07-01", "expires_1": "12:00:00"}
assert b"dasf_" in browser.post("/admin/dasf_broker/apitoken/add/", token).content
[row] = ApiToken.objects.filter(label="x")
assert row.expires.isoformat() == "2030-07-01T12:00:00-04:00"
for model in ("brokertopic", "brokermessage", "responsetopic", "apitoken"):
    page = browser.get(f"/admin/dasf_broker/{model}/").content.decode()
assert "July 1, 2030, noon" in page
page = browser.get(f"/admin/dasf_broker/apitoken/{row.pk}/change/").content.decode()
assert 'value="12:00:00"' in page
assert browser.get("/admin/dasf_broker/brokermessage/?age=new").status_code in (200, 302)
"""

_PUBLISH = """mutation { publishMessage(input: {topic: "weather", text: "x"}) {
  message { messageId publishTime } } }"""
_MESSAGES = """query ($filter: MessageFilter) { messages(topic: "weather", filter: $filter) {
  edges { node { messageId publishTime } } } }"""
_RECEIVE = """subscription ($start: StartPosition!) { messages(topic: "weather", start: $start) {
  messageId publishTime } }"""
_HEARTBEAT = """{ topics(filter: {availability: ONLINE}) { edges { node {
  slug dateCreated availability { status lastPing lastPong roundTripTime } } } } }"""


class Host(NamedTuple):
    """The project, with the key of its user."""

    site: Site
    key: str
    database: str


@pytest.fixture(scope="module")
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Make the project."""
    folder = tmp_path_factory.mktemp("host")
    with (
        services_of_backend(request.config.getoption("backend")) as running,
        host_project(folder, running, settings=_SETTINGS) as site,
    ):
        topics = {"weather": {"store_messages": "store"}}
        keys = site.prepare(topics, {"ada": ["can_produce", "can_consume"]})
        yield Host(site, keys["ada"], request.config.getoption("backend"))


@pytest.fixture(scope="module")
def server(host: Host) -> Iterator[Server]:
    """Serve the project."""
    with host.site.server() as running:
        yield running


async def test_times_of_messages(host: Host, server: Server) -> None:
    """A message has one time with an offset, however it is read, and filters compare with it."""
    async with graphql_socket(server, host.key) as socket, http_client(server, host.key) as http:
        live = socket.subscribe(_RECEIVE, start="NEW")
        first = asyncio.ensure_future(anext(live))
        message = (await http.execute(_PUBLISH))["message"]
        while (received := await first)["messageId"] != message["messageId"]:
            first = asyncio.ensure_future(anext(live))
        stored = await anext(socket.subscribe(_RECEIVE, start="EARLIEST"))
        [read] = await _found(http)
        assert message == received == stored == read
        _is_now(message["publishTime"])
        await _filters(http)


async def _filters(http: Http) -> None:
    now, step = datetime.now(UTC), timedelta(minutes=5)
    for zone in (UTC, timezone(timedelta(hours=9)), None):  # without an offset it is UTC
        before, after = (
            (now + way).astimezone(zone or UTC).replace(tzinfo=zone).isoformat()
            for way in (-step, step)
        )
        assert len(await _found(http, publishedSince=before, publishedBefore=after)) == 1
        assert await _found(http, publishedSince=after) == []
        assert await _found(http, publishedBefore=before) == []


async def _found(http: Http, **filters: str) -> list[Any]:
    page = await http.execute(_MESSAGES, filter=filters or None)
    return [edge["node"] for edge in page["edges"]]


async def test_pings(host: Host, server: Server) -> None:
    """A topic whose consumer answers is online, with times of now."""
    async with graphql_socket(server, host.key) as socket:
        pinged = await socket.execute('mutation { pingTopic(topic: "weather") { pingedAt } }')
        ponged = await _pong(socket)
        [edge] = (await socket.execute(_HEARTBEAT))["edges"]
    availability = edge["node"]["availability"]
    assert (edge["node"]["slug"], availability["status"]) == ("weather", "ONLINE")
    assert 0 <= availability["roundTripTime"] < 60
    times = [pinged["pingedAt"], ponged["pongedAt"], edge["node"]["dateCreated"]]
    for time in (*times, availability["lastPing"], availability["lastPong"]):
        _is_now(time)
    status = await asyncio.to_thread(_status, host, server)
    assert status.status_code == 200
    _is_now(status.json()["lastPong"])


def _status(host: Host, server: Server) -> httpx.Response:
    page = server.graphql.replace("graphql/", "weather/status/")
    return httpx.get(page, headers={"Authorization": f"Bearer {host.key}"})


async def _pong(socket: GraphQLSocket) -> Any:
    return await socket.execute('mutation { pongTopic(topic: "weather") { pongedAt } }')


async def test_dasf(host: Host, server: Server) -> None:
    """A backend module gets the time of a message with an offset."""
    url = server.graphql_websocket.replace("graphql/", "ws/weather")
    headers = {"Authorization": f"Bearer {host.key}"}
    async with (
        http_client(server, host.key) as http,
        connect(f"{url}/module", additional_headers=headers) as module,
    ):
        await http.execute(_PUBLISH)
        _is_now(json.loads(await module.recv())["publishTime"])


def test_upkeep(host: Host) -> None:
    """Retention, response topics, tokens and pings, by moments and not by local times."""
    printed = host.site.run("-c", _UPKEEP)
    # SQLite holds the local time alone, and of two equal ones the first is meant.
    assert json.loads(printed) == [True, host.database == "postgres"]


def test_admin(host: Host) -> None:
    """It shows and takes local times, as the rest of the host's admin does."""
    host.site.run("-c", _ADMIN)


def _is_now(text: str) -> None:
    time = datetime.fromisoformat(text)
    assert time.utcoffset() == timedelta(0), text
    assert abs(time - datetime.now(UTC)) < timedelta(minutes=2), text
