"""Rates: counted for each field, across all doors, through the cache, and never in the way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.test import Client
from pytest_django import Settings

from dasf_broker import apublish, database
from dasf_broker.domain.rates import Activity
from dasf_broker.exceptions import RateLimitedError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations import rate_limits
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import retry
from dasf_broker.operations.subscriptions.heartbeat import availability, pings, pongs
from dasf_broker.operations.subscriptions.messages import messages
from dasf_broker.operations.subscriptions.retry import messages_with_retry
from dasf_broker.operations.topics import delete_topic
from dasf_broker.operations.writer import ping
from dasf_broker.permissions import Right, grant
from dasf_broker.runtime import current
from tests.doors.clients import GraphQLClient, WebSocketClient
from tests.doors.conftest import OpenSocket
from tests.doors.dasf.frames import ask, message, to
from tests.doors.sockets import ClosedError
from tests.doors.waiting import until_heard

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """mutation ($text: String!) {
  publishMessage(input: {topic: "topic", text: $text}) { status }
}"""
PUBLISH_MANY = """mutation ($inputs: [PublishMessageInput!]!) {
  publishMessages(inputs: $inputs) { results { status error { code message } } }
}"""
PING = 'mutation { pingTopic(topic: "topic") { pingedAt } }'
CREATE = 'mutation {{ createTopic(input: {{slug: "{}"}}) {{ topic {{ slug }} }} }}'
PUBLISH_TO = """mutation {{
  publishMessage(input: {{topic: "{}", text: "x"{}}}) {{ status }}
}}"""
PONGS = 'subscription { pongs(topic: "topic") { pongedAt } }'


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no window end during a test."""
    monkeypatch.setattr(rate_limits, "_now", lambda: 1_800_000_030.0)


@pytest.fixture(autouse=True)
def _sound_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test know that the cache failed in another one."""
    monkeypatch.setattr(rate_limits, "_health", rate_limits._Health())


async def test_publishing(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """On each door, what is too much is refused with when to come again."""
    settings.DASF_USER_RATES = {"publish": "2/m"}
    for text in ("one", "two"):
        await client.value(PUBLISH, {"text": text}, as_=producer)
    error = await client.refusal(PUBLISH, {"text": "three"}, as_=producer)
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 30}
    assert "2 messages per minute" in error["message"]
    assert await BrokerMessage.objects.acount() == 2


async def test_same_count_on_all_doors(
    clients: list[GraphQLClient],
    open_socket: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    settings: Settings,
) -> None:
    """Who was refused at one door is not let in at the next."""
    settings.DASF_USER_RATES = {"publish": f"{len(clients) + 1}/m"}
    for client in clients:
        await client.value(PUBLISH, {"text": "hello"}, as_=producer)
    socket = await open_socket(**await to("topic", producer))
    assert (await ask(socket, message()))["result"] == "ok"
    refused = await ask(socket, message())
    assert refused["result"].startswith("error: There are at most")
    for client in clients:
        error = await client.refusal(PUBLISH, {"text": "more"}, as_=producer)
        assert error["extensions"]["code"] == "RATE_LIMITED"


async def test_aliases_multiply_nothing(
    client: GraphQLClient, topic: BrokerTopic, superuser: User, settings: Settings
) -> None:
    """Each field that is resolved counts, however many are in one operation."""
    settings.DASF_USER_RATES = {"ping": "2/m", "publish": "2/m"}
    pings = " ".join(f'p{each}: pingTopic(topic: "topic") {{ pingedAt }}' for each in range(4))
    answer = await client.execute(f"mutation {{ {pings} }}", as_=superuser)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["RATE_LIMITED"]
    field = 'publishMessage(input: {topic: "topic", text: "x"}) { status }'
    fields = " ".join(f"m{each}: {field}" for each in range(4))
    answer = await client.execute(f"mutation {{ {fields} }}", as_=superuser)
    assert answer["errors"]
    assert await BrokerMessage.objects.acount() == 2


async def test_batches(topic: BrokerTopic, producer: User, settings: Settings) -> None:
    """Of a batch as many are taken as there is room for, the first ones."""
    settings.DASF_USER_RATES = {"publish": "3/m"}
    inputs = [{"topic": "topic", "text": str(each)} for each in range(5)]
    done = await WebSocketClient().value(PUBLISH_MANY, {"inputs": inputs}, as_=producer)
    codes = [each["error"] and each["error"]["code"] for each in done["results"]]
    assert codes == [None, None, None, "RATE_LIMITED", "RATE_LIMITED"]
    assert await BrokerMessage.objects.acount() == 3


async def test_bytes(topic: BrokerTopic, producer: User, settings: Settings) -> None:
    """Large messages use up what small ones do not."""
    settings.DASF_USER_RATES = {"publish_bytes": "2k/m"}
    inputs = [{"topic": "topic", "text": "x" * size} for size in (10, 3000, 10)]
    done = await WebSocketClient().value(PUBLISH_MANY, {"inputs": inputs}, as_=producer)
    assert [each["status"] for each in done["results"]] == ["STORED", None, None]
    assert "2000 bytes of messages per minute" in done["results"][1]["error"]["message"]


async def test_pings(
    client: GraphQLClient, topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """Pings wake up all consumers."""
    settings.DASF_USER_RATES = {"ping": "1/m"}
    await client.value(PING, as_=producer)
    error = await client.refusal(PING, as_=producer)
    assert error["extensions"]["code"] == "RATE_LIMITED"


async def test_new_topics(
    clients: list[GraphQLClient],
    open_socket: OpenSocket,
    topic: BrokerTopic,
    producer: User,
    settings: Settings,
) -> None:
    """Whatever creates them, and on all doors together; only what creates one is refused."""
    settings.DASF_USER_RATES = {"create": "4/h"}
    await database.write(_let_add_topics, producer)
    http, *_, socket = clients
    creating = [
        (http, CREATE.format("one")),
        (socket, PUBLISH_TO.format("two", "")),
        (http, PUBLISH_TO.format("topic", ', responseTopic: "three"')),
    ]
    for client, document in creating:
        await client.value(document, as_=producer)
    module = await open_socket(**await to("topic", producer))
    asking = [message(properties={"response_topic": f"topic_{each}"}) for each in range(2)]
    assert (await ask(module, asking[0]))["result"] == "ok"
    refused = await ask(module, asking[1])
    assert refused["result"].startswith("error: There are at most 4 new topics per hour for you")
    for client, document in creating:
        for number in ("one", "two", "three"):
            document = document.replace(number, f"{number}-more")  # noqa: PLW2901
        error = await client.refusal(document, as_=producer)
        assert error["extensions"]["code"] == "RATE_LIMITED"
    # What is there already may be named, and there is room in an hour.
    assert (await ask(module, asking[0]))["result"] == "ok"
    await http.value(creating[1][1], as_=producer)
    await http.value(creating[2][1], as_=producer)
    assert await BrokerTopic.objects.acount() == 1 + 4


@pytest.mark.parametrize("rates", [{}, {"create": None}])
async def test_new_topics_by_default(
    rates: dict[str, None], topic: BrokerTopic, producer: User, settings: Settings
) -> None:
    """There is a rate unless it is switched off, and the host itself is not counted."""
    settings.DASF_USER_RATES = settings.DASF_ADDRESS_RATES = rates
    settings.DASF_MAX_NEW_TOPICS = 1000
    inputs = [{"topic": "topic", "responseTopic": f"topic_{each}"} for each in range(350)]
    client, refused = WebSocketClient(), 0
    for part in (
        inputs[:350],
        [{**each, "responseTopic": f"{each['responseTopic']}-b"} for each in inputs],
    ):
        done = await client.value(PUBLISH_MANY, {"inputs": part}, as_=producer)
        refused += sum(bool(each["error"]) for each in done["results"])
    assert refused == (0 if rates else 100)
    for caller in (Caller(producer), Caller.system()):
        await apublish(
            "topic", response_topic=f"topic_{caller.user.pk}-c", user=caller.user_or_none
        )


@pytest.mark.parametrize("whose", ["USER", "ADDRESS"])
def test_new_topics_of_addresses(
    whose: str, topic: BrokerTopic, producer: User, anonymous: Caller, settings: Settings
) -> None:
    """Anonymous callers are counted by address, and all of an address together."""
    setattr(settings, f"DASF_{whose}_RATES", {"create": "3/h"})
    users = [anonymous.user] if whose == "USER" else [anonymous.user, producer]
    wanted = [
        (Caller(user, is_anonymous=user == anonymous.user, address=address), 2)
        for address in ("192.0.2.1", "192.0.2.2")
        for user in (users * 2)[:2]
    ]
    admitted = rate_limits.admitted_topics(wanted)
    assert [room for room, _ in admitted] == [2, 1, 2, 1]
    assert [error is not None for _, error in admitted] == [False, True, False, True]


def test_ping_page(topic: BrokerTopic, producer: User, settings: Settings) -> None:
    """The page is a door like others."""
    settings.DASF_ADDRESS_RATES = {"ping": "1/m"}
    client = Client()
    client.force_login(producer)
    assert client.get("/topic/ping/").status_code == 302
    response = client.get("/topic/ping/")
    assert (response.status_code, response["Retry-After"]) == (429, "30")
    assert response.json()["code"] == "RATE_LIMITED"


async def test_subscriptions(
    enter: OpenSocket, topic: BrokerTopic, consumer: User, settings: Settings
) -> None:
    """Attempts count; what runs goes on."""
    settings.DASF_USER_RATES = {"subscribe": "2/m"}
    socket = await enter(consumer)
    for number in range(3):
        await socket.subscribe(PONGS, id_=str(number))
    [error] = await socket.error("2")
    assert error["extensions"]["code"] == "RATE_LIMITED"
    await socket.subscribe("{ viewer { username } }", id_="other")
    assert await socket.data("other") == {"username": "consumer"}


async def test_dasf_consumers(
    open_socket: OpenSocket, topic: BrokerTopic, consumer: User, settings: Settings
) -> None:
    """A consumer's socket is a subscription; a producer's is not."""
    settings.DASF_USER_RATES = {"subscribe": "1/m"}
    await open_socket(**await to("topic/first", consumer))
    await open_socket(**await to("topic", consumer))
    second = await open_socket(**await to("topic/second", consumer))
    with pytest.raises(ClosedError) as closed:
        await second.receive()
    assert closed.value.code == 1013


async def test_dasf_consumers_that_go_on(
    open_socket: OpenSocket,
    topic: BrokerTopic,
    consumer: User,
    superuser: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic that comes back, or a database, is no new subscription."""
    monkeypatch.setattr(retry, "PAUSE", 0.02)
    settings.DASF_USER_RATES = {"subscribe": "1/m"}
    socket = await open_socket(**await to("topic/first", consumer))
    await until_heard(topic)
    await database.write(delete_topic, Caller(superuser), "topic")
    await database.write(_create_again, consumer)
    await WebSocketClient().value(PUBLISH, {"text": "hello"}, as_=superuser)
    assert (await socket.receive())["payload"]


async def test_no_door_is_needed(topic: BrokerTopic, consumer: User, settings: Settings) -> None:
    """The operations ask, so that no door can forget it: each kind of subscription, and pings."""
    settings.DASF_USER_RATES = {"subscribe": "0/m", "ping": "0/m"}
    caller = Caller(consumer)
    for subscribe in (messages, pings, pongs, availability, messages_with_retry):
        with pytest.raises(RateLimitedError):
            await anext(subscribe(current(), caller, "topic"))
    with pytest.raises(RateLimitedError):
        await ping(caller, "topic")


async def test_users_do_not_disturb_each_other(
    topic: BrokerTopic, producer: User, superuser: User, settings: Settings
) -> None:
    """Each has a rate of their own; an address is one for all of them."""
    client = WebSocketClient()
    settings.DASF_USER_RATES = {"publish": "1/m"}
    for user in (producer, superuser):
        await client.value(PUBLISH, {"text": "x"}, as_=user)
    await client.refusal(PUBLISH, {"text": "x"}, as_=producer)


@pytest.mark.parametrize("whose", ["address", "nobody"])
async def test_addresses(
    whose: str, topic: BrokerTopic, producer: User, anonymous: Caller, settings: Settings
) -> None:
    """What counts for an address counts for all of its users; who is anonymous is an address."""
    name = "DASF_ADDRESS_RATES" if whose == "address" else "DASF_USER_RATES"
    setattr(settings, name, {"ping": "1/m"})
    one, other = "192.0.2.1", "192.0.2.2"

    def caller(address: str) -> Caller:
        user = producer if whose == "address" else anonymous.user
        return Caller(user, is_anonymous=whose == "nobody", address=address)

    await rate_limits.admit(caller(one), Activity.PING)
    await rate_limits.admit(caller(other), Activity.PING)
    with pytest.raises(RateLimitedError):
        await rate_limits.admit(caller(one), Activity.PING)


async def test_windows_end(
    producer: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the next one there is room again."""
    settings.DASF_USER_RATES = {"ping": "1/m"}
    caller = Caller(producer)
    await rate_limits.admit(caller, Activity.PING)
    with pytest.raises(RateLimitedError) as refused:
        await rate_limits.admit(caller, Activity.PING)
    later = rate_limits._now() + refused.value.retry_after
    monkeypatch.setattr(rate_limits, "_now", lambda: later)
    await rate_limits.admit(caller, Activity.PING)


async def test_concurrent_callers(producer: User, settings: Settings) -> None:
    """Of many at once exactly as many are let in as the rate says."""
    settings.DASF_USER_RATES = {"ping": "7/m"}
    attempts = [rate_limits.admit(Caller(producer), Activity.PING) for _ in range(30)]
    done = await asyncio.gather(*attempts, return_exceptions=True)
    assert [each is None for each in done].count(True) == 7
    assert all(each is None or isinstance(each, RateLimitedError) for each in done)


@pytest.mark.parametrize("failure", [ConnectionError("gone"), ValueError("odd")], ids=repr)
async def test_a_cache_that_is_down(
    failure: Exception,
    topic: BrokerTopic,
    producer: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody is refused, and the log has one line about it, not one for each request."""

    def fail(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(type(caches["default"]), "incr", fail)
    settings.DASF_USER_RATES = {"publish": "1/m"}
    for text in ("one", "two", "three"):
        await WebSocketClient().value(PUBLISH, {"text": text}, as_=producer)
    settings.DASF_USER_RATES = {"create": "0/m"}
    for name in ("one", "two"):
        document = PUBLISH_TO.format("topic", f', responseTopic: "topic_{name}"')
        await WebSocketClient().value(document, as_=producer)
    lines = [each for each in caplog.records if each.name == rate_limits.__name__]
    assert [each.levelno for each in lines] == (
        [logging.WARNING] if isinstance(failure, ConnectionError) else []
    )


async def test_nothing_is_asked_while_off(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without rates the cache is left alone, and no thread is woken."""

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(rate_limits, "_counted", never)
    monkeypatch.setattr(rate_limits, "_counted_now", never)
    monkeypatch.setattr(BaseCache, "incr", never)
    await WebSocketClient().value(PUBLISH, {"text": "x"}, as_=producer)
    await WebSocketClient().value(PING, as_=producer)


def _let_add_topics(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename=Right.ADD))


def _create_again(consumer: User) -> None:
    grant(consumer, BrokerTopic.objects.create(slug="topic"), Right.CONSUME)
