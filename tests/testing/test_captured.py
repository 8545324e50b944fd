"""What is captured: what would be told at a commit, and nothing that was taken back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.contrib.auth.models import User

from dasf_broker import acknowledge, ping, primary, publish
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import pong
from dasf_broker.signals import observers
from dasf_broker.testing import captured


class HostError(Exception):
    """Something goes wrong in the host's own code."""


@pytest.mark.parametrize(
    "commits",
    [
        pytest.param(False, marks=pytest.mark.django_db),
        pytest.param(True, marks=pytest.mark.django_db(transaction=True)),
    ],
)
def test_savepoints(topic: BrokerTopic, commits: bool) -> None:
    """Of what an inner block took back nothing is seen, whether the outer one commits or not."""
    with captured() as broker, primary.atomic():
        publish("topic", text="one")
        with suppress(HostError), primary.atomic():
            publish("topic", text="two")
            ping("topic")
            raise HostError
        with primary.atomic():
            publish("topic", text="three")
    assert [message.text for message in broker.published] == ["one", "three"]
    assert broker.pinged == []


@pytest.mark.django_db(transaction=True)
def test_rollback(topic: BrokerTopic) -> None:
    """A transaction that was rolled back told nothing."""
    with captured() as broker:
        with suppress(HostError), primary.atomic():
            publish("topic", text="one")
            raise HostError
        publish("topic", text="two")
    assert [message.text for message in broker.published] == ["two"]


@pytest.mark.django_db
def test_everything_in_order(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """Messages, acknowledgements, pings and pongs, each with its user."""
    with captured() as broker:
        done = publish("topic", data={"celsius": 6.2}, user=producer)
        acknowledge("topic", done.message_id, user=consumer)
        acknowledge("topic", done.message_id, user=consumer)
        pinged = ping("topic", user=producer)
        answered = pong(Caller.of(consumer), "topic")
    [message] = broker.published
    assert (message.topic, message.data) == ("topic", {"celsius": 6.2})
    [acknowledged] = broker.acknowledged
    assert (acknowledged.topic, acknowledged.message_id) == ("topic", done.message_id)
    assert (acknowledged.user, acknowledged.removed) == (consumer, True)
    [ping_] = broker.pinged
    assert (ping_.topic, ping_.user, ping_.pinged_at) == ("topic", producer, pinged.pinged_at)
    [pong_] = broker.ponged
    assert (pong_.topic, pong_.user, pong_.ponged_at) == ("topic", consumer, answered.ponged_at)
    assert pong_.round_trip_time == answered.round_trip_time


@pytest.mark.django_db
def test_only_as_long_as_it_lasts(topic: BrokerTopic) -> None:
    """What came before and what comes later is not captured; what was is still there."""
    publish("topic", text="before")
    with captured() as outer:
        publish("topic", text="one")
        with captured() as inner:
            publish("topic", text="two")
    publish("topic", text="later")
    assert [message.text for message in outer.published] == ["one", "two"]
    assert [message.text for message in inner.published] == ["two"]
    assert observers == []
