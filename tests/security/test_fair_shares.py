"""Whatever one caller asks for, the reads of the others and of the server itself go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker import database, runtime
from dasf_broker.concurrency.shares import working_for
from dasf_broker.exceptions import RateLimitedError, UnavailableError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.lists import browse
from dasf_broker.permissions import Right, grant, user_or_anonymous
from dasf_broker.runtime import LARGE_QUERIES_OF_ONE
from tests.doors.clients import DoorClient, key_of
from tests.doors.conftest import OpenSocket
from tests.operations.streams import DEADLINE, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub_lifetime", "django_thread"),
]


class Holding:
    """Keeps threads from going on, and counts them."""

    def __init__(self) -> None:
        self.held = 0
        self.may_go_on = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> None:
        """Wait until it may go on."""
        self.held += 1
        assert self.may_go_on.wait(DEADLINE)


@pytest.fixture
def holding() -> Iterator[Holding]:
    """Return what holds threads until the test is over."""
    holding = Holding()
    yield holding
    holding.may_go_on.set()


@pytest.mark.parametrize("threads", [1, 2, 4, 8])
async def test_the_server_itself_comes_first(
    holding: Holding, threads: int, settings: Settings
) -> None:
    """Authentication, revocation and the hub do not wait behind any number of callers."""
    database.close()
    settings.DASF_DATABASE_THREADS = threads
    reads = []
    for number in range(50):
        with working_for(f"caller {number}"):
            reads.append(asyncio.ensure_future(database.read(holding)))
    await until(lambda: holding.held == max(1, threads - 1))
    if threads == 1:
        holding.may_go_on.set()
    assert await database.read_first(lambda: "at once") == "at once"
    holding.may_go_on.set()
    await asyncio.gather(*reads)
    database.close()


async def test_one_caller_leaves_threads_to_the_others(holding: Holding) -> None:
    """A caller whose reads do not end is held up alone."""
    with working_for("attacker"):
        reads = [asyncio.ensure_future(database.read(holding)) for _ in range(100)]
    with working_for("bystander"):
        assert await database.read(lambda: "in time") == "in time"
    assert holding.held <= 2
    holding.may_go_on.set()
    await asyncio.gather(*reads)


async def test_who_waits_for_oneself_is_told_so(settings: Settings) -> None:
    """A read that its caller's others held up is RATE_LIMITED; a dead database is UNAVAILABLE."""
    settings.DASF_DATABASE_TIMEOUT = 0.5
    done = threading.Event()

    def slow() -> None:
        assert done.wait(0.1) or True

    with working_for("attacker"):
        reads = [asyncio.ensure_future(database.read(slow)) for _ in range(100)]
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert {type(each) for each in results} <= {type(None), RateLimitedError, UnavailableError}
    assert any(isinstance(each, RateLimitedError) for each in results)

    with working_for("victim"):
        stuck = [asyncio.ensure_future(database.read(done.wait, DEADLINE)) for _ in range(10)]
    refusals = await asyncio.gather(*stuck, return_exceptions=True)
    done.set()
    assert {type(each) for each in refusals} == {UnavailableError}


LISTS = "{ %s }" % " ".join(  # noqa: UP031 - braces
    f'a{number}: messages(topic: "topic", first: 5) {{ edges {{ node {{ payload }} }} }}'
    for number in range(14)
)


@pytest.mark.parametrize("is_anonymous", [True, False])
async def test_a_hundred_operations_of_many_lists_on_one_socket(
    enter: OpenSocket,
    topic: BrokerTopic,
    consumer: User,
    superuser: User,
    holding: Holding,
    monkeypatch: pytest.MonkeyPatch,
    is_anonymous: bool,
) -> None:
    """Two of them are executed; others are answered meanwhile, with a list, too."""
    asked = browse.list_messages

    def hold_attacker(access: Any, *args: Any, **kwargs: Any) -> Any:
        if access.caller.user.pk != superuser.pk:
            holding()
        return asked(access, *args, **kwargs)

    monkeypatch.setattr("dasf_broker.schema.queries.list_messages", hold_attacker)
    attacker = await database.read(user_or_anonymous, None) if is_anonymous else consumer
    await database.write(grant, attacker, topic, Right.CONSUME)
    socket = await enter(None if is_anonymous else consumer)
    for number in range(100):
        await socket.subscribe(LISTS, id_=str(number))
    await until(lambda: holding.held == LARGE_QUERIES_OF_ONE)
    client = DoorClient()
    key = await key_of(superuser)
    assert await client.value("{ __typename }") == "Query"
    found = await client.execute(LISTS, as_=key)
    assert found["data"] is not None
    assert found["data"]["a13"] == {"edges": []}
    assert holding.held == LARGE_QUERIES_OF_ONE
    holding.may_go_on.set()
    frames = [await socket.receive() for _ in range(200)]
    assert sorted({frame["type"] for frame in frames}) == ["complete", "next"]


async def test_small_operations_wait_for_no_large_ones(topic: BrokerTopic, consumer: User) -> None:
    """Of the same caller: what reads no list and no body is executed at once."""
    gate = runtime.current().large_queries
    share = ("user", consumer.pk)
    client, key = DoorClient(), await key_of(consumer)
    async with gate.passed(share), gate.passed(share), asyncio.timeout(DEADLINE):
        found = await client.value('{ topic(slug: "topic") { slug } }', as_=key)
    assert found == {"slug": "topic"}


async def test_rate_of_queries(consumer: User, settings: Settings) -> None:
    """A host may limit how many queries there are; mutations do not count."""
    settings.DASF_USER_RATES = {"query": "2/d"}
    client, key = DoorClient(), await key_of(consumer)
    for _ in range(2):
        assert not (await client.execute("{ viewer { username } }", as_=key))["errors"]
    answer = await client.execute("{ viewer { username } }", as_=key)
    assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
