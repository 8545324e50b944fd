"""Event loops that announce for their process, and end before they have sent everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from dasf_broker.domain.events import from_wire
from dasf_broker.realtime import announcer
from dasf_broker.realtime.announcer import announce, announce_from_running_loop, flush
from tests.realtime.conftest import message


class Layer:
    """A channel layer that remembers what it was sent, and by which loop."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.before: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    async def group_send(self, _: str, announcement: dict[str, Any]) -> None:
        """Remember an announcement, and then be slow."""
        self.sent += announcement["events"]
        self.loops.append(asyncio.get_running_loop())
        await self.before()

    @property
    def payloads(self) -> list[Any]:
        """What was sent, in order."""
        events: list[Any] = [from_wire(each) for each in self.sent]
        return [each.content["payload"] for each in events]


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    """Return the channel layer of a process in which no loop announces."""
    layer = Layer()
    monkeypatch.setattr(announcer, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(announcer, "_process", announcer._Process())
    monkeypatch.setattr(announcer, "_threads", announcer._Threads())
    return layer


@contextmanager
def announcing_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run a loop in a thread that announces for the process, and stop it in the end."""
    loop, is_ready = asyncio.new_event_loop(), threading.Event()

    def run() -> None:
        async def begin() -> None:
            announce_from_running_loop()
            is_ready.set()

        loop.create_task(begin())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert is_ready.wait(10)
    yield loop
    with suppress(RuntimeError):  # the test has stopped it
        loop.call_soon_threadsafe(loop.stop)
    thread.join()


@contextmanager
def ending(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let a loop end that does nothing more, but still runs as long as the context lasts."""
    may_end = threading.Event()

    def stop() -> None:
        loop.stop()  # at the end of the turn
        may_end.wait(10)

    loop.call_soon_threadsafe(stop)
    yield
    may_end.set()


def hand_over(*words: str) -> None:
    """Hand over messages that are not stored, as the writing thread does: it does not wait."""
    found = announcer._process.announcer()
    assert found is not None
    found.hand_over([message(None, payload=word) for word in words])


def test_a_loop_that_ends_before_it_sends(layer: Layer) -> None:
    """Those who wait for the announcement send it themselves, in order, and once."""
    with announcing_loop() as loop, ending(loop):
        hand_over("a", "b")
        hand_over("c")
    asyncio.run(flush())
    asyncio.run(flush())
    assert layer.payloads == ["a", "b", "c"]
    assert loop not in layer.loops


def test_what_is_announced_next_comes_behind_it(layer: Layer) -> None:
    """Also if nobody waited."""
    with announcing_loop() as loop, ending(loop):
        hand_over("a")
    announce([message(None, payload="b")])
    assert layer.payloads == ["a", "b"]


def test_a_message_that_was_perhaps_sent_keeps_its_number(layer: Layer) -> None:
    """So that nobody receives it twice, and nobody believes that another one was lost."""

    async def end_while_sending() -> None:
        announce_from_running_loop()
        layer.before = asyncio.Event().wait
        hand_over("a")
        while not layer.sent:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        hand_over("b")

    asyncio.run(end_while_sending())
    layer.before = lambda: asyncio.sleep(0)
    asyncio.run(flush())
    assert layer.payloads == ["a", "a", "b"]
    first, again, following = (each["serial"] for each in layer.sent)
    assert again == first
    assert following == (first.stream, first.number + 1)


def test_flushing_while_the_loop_ends(layer: Layer) -> None:
    """A publisher that waits for another loop notices that it has ended."""
    with announcing_loop() as loop:
        layer.before = asyncio.Event().wait
        hand_over("a")
        flushing = threading.Thread(target=lambda: asyncio.run(flush()))
        flushing.start()
        while not layer.sent:
            pass
        layer.before = lambda: asyncio.sleep(0)
        loop.call_soon_threadsafe(loop.stop)
        flushing.join(10)
        assert not flushing.is_alive()
    assert layer.payloads == ["a", "a"]


async def test_the_loop_of_the_server_goes_on(layer: Layer) -> None:
    """It takes over from a short one that came before it."""
    with announcing_loop() as short:
        announce_from_running_loop()
        await asyncio.to_thread(announce, [message(None, payload="a")])
    await asyncio.to_thread(announce, [message(None, payload="b")])
    assert layer.payloads == ["a", "b"]
    assert layer.loops == [short, asyncio.get_running_loop()]


async def test_a_thread_waits_for_what_is_not_stored(layer: Layer) -> None:
    """Its caller is answered `SENT`. For what is stored, nobody waits."""
    announce_from_running_loop()
    may_go_on = asyncio.Event()
    layer.before = may_go_on.wait
    await asyncio.wait_for(asyncio.to_thread(announce, [message(1, payload="a")]), 10)
    announcing = asyncio.create_task(asyncio.to_thread(announce, [message(None, payload="b")]))
    while layer.payloads != ["a"]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    assert not announcing.done()
    may_go_on.set()
    await asyncio.wait_for(announcing, 10)
    assert layer.payloads == ["a", "b"]
