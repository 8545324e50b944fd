"""Who does the housekeeping: one at a time, each minute, and beside a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.exceptions import UnavailableError
from dasf_broker.models import BrokerTopic, Lease, ResponseTopic
from dasf_broker.operations import heartbeat
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions import consumers, messages
from dasf_broker.operations.upkeep import pings, schedule
from dasf_broker.operations.upkeep.lease import take_lease
from dasf_broker.operations.upkeep.schedule import LEASE, Report, begin, run_regularly
from dasf_broker.permissions import Right, grant
from dasf_broker.routing import broker_application
from dasf_broker.runtime import current
from tests.conftest import MakeTopic

NOW = timezone.now()
DEADLINE = 20


def test_a_second_one_has_nothing_to_do(topic: BrokerTopic) -> None:
    """Until the first one is done."""
    first = begin("first")
    assert first is not None
    assert next(first)
    assert begin("second") is None
    assert sum(first, Report()) == Report()
    assert begin("second") is not None


def test_a_round_that_is_closed_gives_the_work_back(topic: BrokerTopic) -> None:
    """In the middle of it."""
    first = begin("first")
    assert first is not None
    next(first)
    first.close()
    assert begin("second") is not None


def test_a_round_that_was_too_slow_ends(make_topic: MakeTopic) -> None:
    """Another one took over: what is left is theirs."""
    for number in range(2 * pings.STEP):
        make_topic(f"topic-{number}", supports_dasf=True)
    slow = begin("slow")
    assert slow is not None
    next(slow)
    Lease.objects.update(expires=NOW)
    assert begin("quick") is not None
    assert list(slow) == []
    assert Lease.objects.get(name=LEASE).holder == "quick"


@pytest.fixture
async def rounds(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Queue[Report | None]]:
    """Return a queue of what each round did, with rounds that follow each other at once."""
    monkeypatch.setattr(schedule, "INTERVAL", 0.01)
    done: asyncio.Queue[Report | None] = asyncio.Queue()
    task = asyncio.create_task(run_regularly(current(), done.put_nowait))
    yield done
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.django_db(transaction=True)
async def test_rounds_go_on(
    topic: BrokerTopic, rounds: asyncio.Queue[Report | None], hub_lifetime: None
) -> None:
    """One after the other; one that finds another housekeeper at work does nothing."""
    assert await _next(rounds) == Report(pinged=1)
    assert await database.write(take_lease, LEASE, "other", 60)
    await _until(rounds, None)
    await database.write(Lease.objects.all().delete)
    await _until(rounds, Report())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [UnavailableError("down"), ZeroDivisionError()])
async def test_errors_end_nothing(
    error: Exception,
    topic: BrokerTopic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rounds: asyncio.Queue[Report | None],
    hub_lifetime: None,
) -> None:
    """They are logged, and the next round is tried."""
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(*_: object, **__: object) -> Any:
        loop.call_soon_threadsafe(failed.set)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "steps", fail)
        async with asyncio.timeout(DEADLINE):
            await failed.wait()
    await _until(rounds, Report())
    assert "ousekeeping" in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_cancelled_in_the_middle(
    topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch, hub_lifetime: None
) -> None:
    """The step at hand is finished, and the lease given back."""
    loop, at_work = asyncio.get_running_loop(), asyncio.Event()
    ping_topics = heartbeat.ping_unlocked_topics

    def ping(pinged: list[BrokerTopic]) -> Any:
        loop.call_soon_threadsafe(at_work.set)
        return ping_topics(pinged)

    monkeypatch.setattr(pings, "ping_unlocked_topics", ping)
    task = asyncio.create_task(run_regularly(current()))
    async with asyncio.timeout(DEADLINE):
        await at_work.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await database.read(lambda: BrokerTopic.objects.get().last_ping) is not None
    assert await database.write(take_lease, LEASE, "other", 60)


@pytest.mark.django_db(transaction=True)
async def test_listening_keeps_a_response_topic(
    topic: BrokerTopic, consumer: User, hub_lifetime: None
) -> None:
    """Also where another process, which knows only its own consumers, has marked it."""
    answers = await database.write(_answers, topic, consumer)
    async with _listening(consumer):
        await _wait_for(_is_kept, answers)  # they have arrived
        await database.write(BrokerTopic.objects.update, garbage_collect_on=NOW)
        await schedule.keep_needed_topics(current().hub)
        assert await _is_kept(answers)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mark", [NOW, NOW + timedelta(minutes=10), NOW + timedelta(days=9), None])
async def test_listening_moves_every_mark(
    mark: datetime | None,
    topic: BrokerTopic,
    consumer: User,
    monkeypatch: pytest.MonkeyPatch,
    hub_lifetime: None,
) -> None:
    """Without housekeeping, too; the marks come due when the server is gone."""
    monkeypatch.setattr(consumers.LISTENING, "interval", 0.05)
    answers = await database.write(_answers, topic, consumer)
    async with _listening(consumer), _listening(consumer):
        await _wait_for(_is_kept, answers)
        async with _listening(consumer):  # one of several leaves
            pass
        await database.write(BrokerTopic.objects.update, garbage_collect_on=mark)
        await _wait_for(_is_kept, answers)


@pytest.mark.django_db(transaction=True)
async def test_the_first_round_collects_nothing(
    topic: BrokerTopic,
    consumer: User,
    rounds: asyncio.Queue[Report | None],
    hub_lifetime: None,
) -> None:
    """After an outage, in which other servers could not say that they have consumers."""
    # The first round has begun, at the latest now, when there is a due topic.
    await database.write(_answers, topic, consumer)
    await database.write(BrokerTopic.objects.update, garbage_collect_on=NOW)
    assert (await _next(rounds) or Report()).collected == 0
    await _until(rounds, Report(collected=1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_wanted", [True, False])
async def test_beside_a_server(
    is_wanted: bool, topic: BrokerTopic, settings: Settings, hub_lifetime: None
) -> None:
    """It starts with the first connection of a loop, once, if it is wanted."""
    settings.DASF_HOUSEKEEPING = is_wanted
    served: list[str] = []

    async def http(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope["type"])

    application = broker_application(http)
    for _ in range(3):
        await application({"type": "http", "method": "GET", "path": "/"}, None, None)
    tasks = [each for each in asyncio.all_tasks() if each.get_name() == "dasf-housekeeping"]
    assert served == ["http"] * 3
    assert len(tasks) == is_wanted
    if is_wanted:
        await _wait_for(_was_pinged, topic)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert current()._housekeeping is None


# --- helpers ----------------------------------------------------------------------------------


def _answers(topic: BrokerTopic, consumer: User) -> ResponseTopic:
    """Make a response topic that was marked a while ago and is not due yet."""
    answers: ResponseTopic = ResponseTopic.objects.create(
        slug="answers", is_response_for=topic, garbage_collect_on=NOW + timedelta(hours=1)
    )
    grant(consumer, answers, Right.CONSUME)
    return answers


@asynccontextmanager
async def _listening(consumer: User) -> AsyncIterator[None]:
    async with aclosing(messages.messages(current(), Caller(consumer), "answers")) as stream:  # type: ignore[type-var]
        listening = asyncio.ensure_future(anext(stream))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _is_kept(topic: BrokerTopic) -> bool:
    now = timezone.now()
    day = now + timedelta(hours=23), now + timedelta(hours=25)
    return await database.read(
        BrokerTopic.objects.filter(pk=topic.pk, garbage_collect_on__range=day).exists
    )


async def _was_pinged(topic: BrokerTopic) -> bool:
    pinged = BrokerTopic.objects.filter(pk=topic.pk, last_ping__isnull=False)
    return await database.read(pinged.exists)


async def _next(rounds: asyncio.Queue[Report | None]) -> Report | None:
    async with asyncio.timeout(DEADLINE):
        return await rounds.get()


async def _until(rounds: asyncio.Queue[Report | None], expected: Report | None) -> None:
    while await _next(rounds) != expected:
        pass


async def _wait_for(holds: Callable[[BrokerTopic], Awaitable[bool]], topic: BrokerTopic) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await holds(topic):  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.005)
