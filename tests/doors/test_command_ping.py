"""The command `dasf_ping`: who answers, and how fast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import User

from dasf_broker.management.commands import dasf_ping
from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import pong
from dasf_broker.signals import topic_pinged
from tests.conftest import MakeTopic
from tests.doors.commands import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _answering(superuser: User) -> Iterator[None]:
    """Let the topics answer whose slug says so."""

    def answer(topic: str, **_: Any) -> None:
        if topic.startswith("answering"):
            pong(Caller(superuser), topic)

    topic_pinged.connect(answer)
    yield
    topic_pinged.disconnect(answer)


@pytest.mark.usefixtures("_answering")
def test_all_answer(make_topic: MakeTopic) -> None:
    """A table shows how fast, in the order in which they were named."""
    for slug in ("answering-a", "answering-b"):
        make_topic(slug, supports_dasf=True)
    ran = run("dasf_ping", "answering-b", "answering-a", "answering-b")
    assert ran.code == 0
    heading, *rows = [line.split() for line in ran.out.splitlines()]
    assert heading == ["topic", "answer", "round", "trip"]
    assert [row[:2] for row in rows] == [["answering-b", "yes"], ["answering-a", "yes"]]
    assert all(float(row[2]) >= 0 for row in rows)


@pytest.mark.usefixtures("_answering")
def test_one_is_silent(make_topic: MakeTopic) -> None:
    """It is shown, and the exit code says so."""
    make_topic("answering", supports_dasf=True)
    silent = make_topic("silent", supports_dasf=True)
    ran = run("dasf_ping", "answering", "silent", "--wait", "0.2", "--json")
    assert ran.code == 3
    assert "1 of 2 did not answer." in ran.err
    shown = {row["topic"]: row["answered"] for row in ran.data}
    assert shown == {"answering": True, "silent": False}
    silent.refresh_from_db()
    assert silent.last_ping is not None


def test_an_answer_from_before_does_not_count(topic: BrokerTopic, superuser: User) -> None:
    """Only one that came after this ping does."""
    topic.ping()
    pong(Caller(superuser), "topic")
    ran = run("dasf_ping", "topic", "--wait", "0.1")
    assert ran.code == 3
    assert ran.out.splitlines()[1].split() == ["topic", "no", "-"]


def test_without_waiting(topic: BrokerTopic) -> None:
    """Nobody is late."""
    assert run("dasf_ping", "topic", "--wait", "0").code == 0
    topic.refresh_from_db()
    assert topic.last_ping is not None


@pytest.mark.usefixtures("_answering")
def test_all_topics(make_topic: MakeTopic, topic: BrokerTopic) -> None:
    """Those that support pings and do not carry answers."""
    BrokerTopic.objects.update(slug="answering")
    make_topic("plain", supports_dasf=False)
    ResponseTopic.objects.create(slug="answers", is_response_for=topic, supports_dasf=True)
    assert [row["topic"] for row in run("dasf_ping", "--all", "--json").data] == ["answering"]


def test_no_topics_at_all() -> None:
    """Nobody is missing."""
    assert run("dasf_ping", "--all").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--all"),
        (["topic", "--all"], "--all"),
        (["topic", "other"], "NOT_FOUND"),
        (["topic", "no slug"], "BAD_INPUT"),
        (["topic", "--wait", "-1"], "--wait"),
        (["topic", "--wait", "nan"], "--wait"),
        (["topic", "--wait", "inf"], "--wait"),
        (["topic", "--wait", "soon"], "invalid float"),
        (["topic", "--user", "consumer"], "FORBIDDEN"),
        (["topic", "--user", "stranger"], "NOT_FOUND"),
        (["topic", "--user", "nobody"], "'nobody'"),
    ],
)
def test_refusals(
    arguments: list[str], told: str, topic: BrokerTopic, consumer: User, stranger: User
) -> None:
    """They are told before anybody is pinged."""
    ran = run("dasf_ping", *arguments)
    assert ran.code == 1
    assert told in ran.err
    topic.refresh_from_db()
    assert topic.last_ping is None


def test_somebody_in_person(topic: BrokerTopic, producer: User) -> None:
    """The ping is theirs."""
    pinged: list[Any] = []

    def note(user: User | None, **_: Any) -> None:
        pinged.append(user)

    topic_pinged.connect(note)
    try:
        run("dasf_ping", "topic", "--wait", "0", "--user", "producer")
        run("dasf_ping", "topic", "--wait", "0")
    finally:
        topic_pinged.disconnect(note)
    assert pinged == [producer, None]


@pytest.mark.parametrize(("layer", "is_told"), [(InMemoryChannelLayer(), True), (object(), False)])
def test_who_cannot_hear(
    layer: object, is_told: bool, topic: BrokerTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a channel layer in memory, other processes do not; the command says so."""
    monkeypatch.setattr(dasf_ping, "get_channel_layer", lambda: layer)
    told = run("dasf_ping", "topic", "--wait", "0").err
    assert ("another process" in told) == is_told
