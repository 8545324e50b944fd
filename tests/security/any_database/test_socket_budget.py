"""What a client makes the server hold: each of it has a bound, and ends with its operation."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from sys import getsizeof
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from dasf_broker import app_settings
from dasf_broker.domain.events import MessagePublished, TopicPonged
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import BrokerTopic
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.runtime import current
from dasf_broker.schema import served_schema
from dasf_broker.transports.connection.handshake import MAX_REQUEST_HEAD
from dasf_broker.transports.connection.socket_budget import (
    RESULTS,
    Held,
    ResultSlots,
    SocketBudget,
    memory_of,
)
from dasf_broker.transports.graphql import execution, shared_results
from dasf_broker.transports.graphql.execution import GraphQLRequest, examine
from dasf_broker.transports.websocket import graphql
from testproject.asgi import application
from tests.doors.clients import key_of
from tests.doors.conftest import OpenSocket, OpenStream, Publish
from tests.doors.sockets import ClosedError, Socket
from tests.doors.test_stuck_clients import Buffer
from tests.doors.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

#: The variable occupies memory, whether the field is ever resolved or not.
WITH_VARIABLE = (
    'subscription ($x: String) { pongs(topic: "topic") '
    "{ topic { messages(first: 1, after: $x) { edges { cursor } } } } }"
)
MESSAGES = 'subscription {{ messages(topic: "topic") {{ text a{}: text }} }}'
VIEWER = "{ viewer { username } }"

#: Texts of about the same length as JSON, of which each occupies another amount of memory.
FILLINGS: dict[str, Callable[[int], Any]] = {
    "ascii": lambda size: "x" * size,
    "escaped": lambda size: "\n" * (size // 2),
    "wide": lambda size: "\U0001f600" * (size // 12),
    "blanks": lambda size: " " * size,
}


# --- the variables of a subscription ----------------------------------------------------------


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("size", [2_000, 64 * 1024 + 100, 2_000_000])
async def test_variables_have_a_limit_on_sockets(
    enter: OpenSocket, consumer: User, filling: str, size: int
) -> None:
    """Those beyond are refused, and the socket goes on."""
    socket = await enter(consumer)
    await socket.subscribe(WITH_VARIABLE, {"x": FILLINGS[filling](size)})
    await socket.subscribe(VIEWER, id_="other")
    if size > 64 * 1024:
        [error] = await socket.error()
        assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
        largest: int = app_settings.DASF_MAX_REQUEST_SIZE
        most = 64 * 1024 if size <= largest else largest
        assert f"at most {most} bytes" in error["message"]
    assert await socket.data("other") == {"username": "consumer"}


@pytest.mark.parametrize("filling", FILLINGS)
async def test_variables_have_a_limit_on_streams(
    open_stream: OpenStream, consumer: User, filling: str
) -> None:
    """They are refused before the stream begins."""
    large = {"x": FILLINGS[filling](64 * 1024 + 100)}
    stream = await open_stream(WITH_VARIABLE, large, as_=consumer)
    assert stream.status == 413
    [error] = json.loads(await stream.block())["errors"]
    assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


@given(st.dictionaries(st.sampled_from("xyz"), st.text(max_size=300), max_size=3))
def test_limit_of_variables_counts_json(variables: dict[str, str]) -> None:
    """Only what is declared counts, as it is written as JSON."""
    request = GraphQLRequest(WITH_VARIABLE, variables, None)
    declared = {name: value for name, value in variables.items() if name == "x"}
    size = len(json.dumps(declared, separators=(",", ":")))
    for limit in {max(size - 1, 1), max(size, 1), size + 1}:
        fits = _fits(request, limit)
        assert fits == (size <= limit or not declared)


def _fits(request: GraphQLRequest, limit: int) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dasf_broker.app_settings.DASF_MAX_SUBSCRIPTION_VARIABLES", limit)
        try:
            examine(served_schema(), request)
        except BrokerError as error:
            assert error.code == "PAYLOAD_TOO_LARGE"  # noqa: PT017 - it is compared with a model
            return False
    return True


async def test_keys_of_shared_results_are_digests(enter: OpenSocket, consumer: User) -> None:
    """The longest document and the largest variables make a key of a few bytes."""
    socket = await enter(consumer)
    query = f"{WITH_VARIABLE} # {'x' * 15_000}"
    await socket.subscribe(query, {"x": "y" * 60_000})
    await until(lambda: len(shared_results._operations) == 1)
    [(_, digest)] = shared_results._operations.keys()
    assert getsizeof(digest) < 100


async def test_other_requests_have_other_keys(enter: OpenSocket, consumer: User) -> None:
    """Whatever differs makes another operation, also where the parts run into each other."""
    queries = [WITH_VARIABLE, f"{WITH_VARIABLE} ", WITH_VARIABLE.replace("($x", "A($x")]
    made = [(query, name, x) for query in queries for name in (None, "A") for x in ("", "A", None)]
    digests = {shared_results._digest(GraphQLRequest(q, {"x": x}, name)) for q, name, x in made}
    assert len(digests) == len(made)


# --- the budget of a socket -------------------------------------------------------------------


@pytest.mark.parametrize("filling", FILLINGS)
async def test_operations_of_a_socket_have_a_budget(
    enter: OpenSocket, consumer: User, topic: BrokerTopic, settings: Settings, filling: str
) -> None:
    """One too many is refused, its siblings go on, and there is room when one is completed."""
    settings.DASF_MAX_SOCKET_BYTES = 200_000
    socket, refused, count = await enter(consumer), 0, 20
    variables = {"x": FILLINGS[filling](40_000)}
    for number in range(count):
        await socket.subscribe(WITH_VARIABLE, variables, id_=str(number))
    while refused + current().hub.listeners(topic.pk, TopicPonged) < count:
        await socket.send({"type": "ping"})
        while (frame := await socket.receive())["type"] != "pong":
            [error] = frame["payload"]
            assert error["extensions"]["code"] == "RATE_LIMITED"
            refused += 1
        await asyncio.sleep(0.01)
    assert 0 < refused < count
    for number in range(count):
        await socket.send({"type": "complete", "id": str(number)})
    await until(lambda: not current().hub.topics)
    await socket.subscribe(WITH_VARIABLE, variables, id_="again")
    await until(lambda: bool(current().hub.topics))


async def test_operation_larger_than_the_budget(
    enter: OpenSocket, consumer: User, settings: Settings
) -> None:
    """It would never fit: to try again is no use."""
    settings.DASF_MAX_SOCKET_BYTES = 100_000
    socket = await enter(consumer)
    for number, value in enumerate(
        ["x" * 100_000, [[]] * 2_000, {str(n): n for n in range(2_000)}]
    ):
        await socket.subscribe(
            "query ($x: String) { viewer { username @skip(if: false) } }",
            {"x": value},
            id_=str(number),
        )
        [error] = await socket.error(str(number))
        assert error["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_queries_count_while_they_run(
    enter: OpenSocket, consumer: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what they were sent: declared or not, it is there while they wait."""
    settings.DASF_MAX_SOCKET_BYTES = 100_000
    go_on = asyncio.Event()
    execute = execution.execute

    async def wait(*given: Any) -> Any:
        await go_on.wait()
        return await execute(*given)

    monkeypatch.setattr(graphql, "execute", wait)
    socket = await enter(consumer)
    for number in range(4):
        await socket.subscribe(VIEWER, {"unknown": "x" * 30_000}, id_=str(number))
    [error] = await socket.error("3")
    assert error["extensions"]["code"] == "RATE_LIMITED"
    go_on.set()
    done = {(await socket.receive())["id"] for _ in range(6)}
    assert done == {"0", "1", "2"}
    await socket.subscribe(VIEWER, {"unknown": "x" * 90_000}, id_="4")
    assert await socket.data("4") == {"username": "consumer"}


_steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "resize", "release"]), st.integers(0, 9), st.integers(0, 60)
    ),
    max_size=40,
)


@given(_steps)
def test_budget_is_what_is_held(steps: list[tuple[str, int, int]]) -> None:
    """After any steps, refused ones too, the sum is that of the operations, and below the limit."""
    budget, sizes = SocketBudget(), dict[int, int]()
    operations = dict[int, Held]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dasf_broker.app_settings.DASF_MAX_SOCKET_BYTES", 100)
        for step, number, size in steps:
            try:
                if step == "hold" and number not in operations:
                    operations[number] = budget.hold(size)
                    sizes[number] = size
                elif step == "resize" and number in operations:
                    operations[number].resize(size)
                    sizes[number] = size
            except BrokerError:
                assert sum(sizes.values()) - sizes.pop(number, 0) + size > 100
            if step == "release" and number in operations:
                operations.pop(number).release()
                sizes.pop(number, None)
            assert budget._held == sum(sizes.values()) <= 100


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
)


@given(_json, st.integers(0, 2000))
def test_memory_is_counted_honestly(value: Any, most: int) -> None:
    """Containers with all that is in them; and no further than it matters."""
    whole = memory_of(value, 10**9)
    assert whole >= getsizeof(value)
    assert memory_of([value, value], 10**9) >= 2 * whole
    assert (memory_of(value, most) > most) == (whole > most)


def test_deep_values_are_counted() -> None:
    """Without recursion."""
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert memory_of(value, 10**9) > 100_000 * 56


# --- results ----------------------------------------------------------------------------------


async def test_nothing_of_a_message_is_left(
    enter: OpenSocket,
    open_stream: OpenStream,
    topic: BrokerTopic,
    consumer: User,
    producer: User,
    publish_text: Publish,
) -> None:
    """A message and its results may be large, and a subscription may then wait for days."""
    await asyncio.to_thread(publish_text, producer, topic, "stored")
    stream = await open_stream(MESSAGES.format(0), as_=consumer)
    socket = await enter(consumer)
    await socket.subscribe(MESSAGES.format(1))
    for _ in range(2):
        assert (await stream.value())["text"] == (await socket.data())["text"]
        await until(lambda: not _of_messages())
        await asyncio.to_thread(publish_text, producer, topic, "live")


def _of_messages() -> list[Any]:
    gc.collect()
    return [each for each in gc.get_objects() if type(each) in (Delivery, MessagePublished)]


async def test_results_wait_to_be_rendered(
    consumer: User,
    topic: BrokerTopic,
    producer: User,
    publish_text: Publish,
    hub_lifetime: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a client that does not read, few of its subscriptions render; then all of them do."""
    rendered = list[int]()
    text_of = shared_results._text

    def note(result: Any) -> str:
        rendered.append(1)
        return text_of(result)

    monkeypatch.setattr(shared_results, "_text", note)
    count = 5 * RESULTS
    socket = Socket(application)
    async with asyncio.timeout(20):
        await _stall(socket, consumer)
        for number in range(count):
            await socket.subscribe(MESSAGES.format(number), id_=str(number))
        await until(lambda: len(shared_results._operations) == count)
        await asyncio.to_thread(publish_text, producer, topic, "hello")
        await until(lambda: len(rendered) == RESULTS)
        assert not await _grows(rendered)
        socket._from_server.get_nowait()
        got = {(await socket.receive())["id"] for _ in range(count)}
        assert len(got) == len(rendered) == count
        await socket.close()


async def test_queries_wait_for_answers_to_be_read(
    consumer: User, hub_lifetime: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a client that reads no answer, no further query is executed."""
    executed = list[int]()
    execute = execution.execute

    async def note(*given: Any) -> Any:
        executed.append(1)
        return await execute(*given)

    monkeypatch.setattr(graphql, "execute", note)
    socket = Socket(application)
    async with asyncio.timeout(20):
        await _stall(socket, consumer)
        await socket.subscribe(VIEWER, id_="first")
        await until(lambda: len(executed) == 1)
        await asyncio.sleep(0.1)  # until its answer waits
        for number in range(20):
            await socket.subscribe(VIEWER, id_=str(number))
        assert not await _grows(executed)
        socket._from_server.get_nowait()
        frames = [await socket.receive() for _ in range(42)]
        assert {each["id"] for each in frames} == {"first", *map(str, range(20))}
        assert len(executed) == 21
        await socket.close()


async def _stall(socket: Socket, user: User) -> None:
    """Open a socket and leave no room for what the server sends next."""
    socket._from_server = full = Buffer(1)
    await socket.open()
    await socket.initialise({"Authorization": f"Bearer {await key_of(user)}"})
    full.put_nowait({"type": "keeps room"})


async def _grows(noted: list[int]) -> bool:
    before = len(noted)
    await asyncio.sleep(0.2)
    return len(noted) > before


async def test_slots_for_results() -> None:
    """As many as allowed work at once, the others in order, and a cancelled one takes no slot."""
    slots, working, most, order = ResultSlots(3), 0, 0, list[int]()

    async def work(number: int) -> None:
        nonlocal working, most
        if not slots.take():
            await slots.wait()
        order.append(number)
        working, most = working + 1, max(most, working + 1)
        try:
            await asyncio.sleep(0.001)
        finally:
            working -= 1
            slots.give_back()

    tasks = [asyncio.create_task(work(number)) for number in range(30)]
    await asyncio.sleep(0)
    for cancelled in tasks[2::7]:
        cancelled.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (most, working) == (3, 0)
    assert order == sorted(order)
    assert [slots.take() for _ in range(4)] == [True, True, True, False]


# --- the request that opens a connection ------------------------------------------------------


LARGE_HEADS = {
    "cookie": {"cookie": "a=" + "x" * MAX_REQUEST_HEAD},
    "many": {f"x-{number}": "x" * 100 for number in range(MAX_REQUEST_HEAD // 100)},
    "name": {"x" * MAX_REQUEST_HEAD: ""},
}


@pytest.mark.parametrize("head", LARGE_HEADS)
@pytest.mark.parametrize("path", ["/graphql/", "/ws/topic", "/ws/topic/consumer"])
async def test_large_heads_of_sockets(
    open_socket: OpenSocket, topic: BrokerTopic, path: str, head: str
) -> None:
    """The server keeps them as long as the socket lasts."""
    with pytest.raises(ClosedError) as closed:
        await (await open_socket(path=path, headers=LARGE_HEADS[head])).receive()
    assert closed.value.code == 4400


@pytest.mark.parametrize("head", LARGE_HEADS)
async def test_large_heads_of_streams(
    open_stream: OpenStream, topic: BrokerTopic, consumer: User, head: str
) -> None:
    """And as long as the stream lasts."""
    stream = await open_stream(WITH_VARIABLE, as_=consumer, **LARGE_HEADS[head])
    assert stream.status == 431
