"""Times do not depend on the zone of the server, nor on one that middleware activates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
from tests.doors.clients import GraphQLClient

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """mutation { publishMessage(input: {topic: "topic", text: "x"}) {
  message { publishTime } } }"""
FIND = """query ($since: DateTime, $before: DateTime) {
  messages(topic: "topic", filter: {publishedSince: $since, publishedBefore: $before}) {
    edges { node { publishTime } } } }"""


@pytest.fixture
def user(topic: BrokerTopic, producer: User) -> User:
    """Return a user who may publish and read."""
    grant(producer, topic, Right.CONSUME)
    return producer


async def test_times(client: GraphQLClient, user: User, settings: Settings) -> None:
    """They are in UTC, and filters compare moments."""
    settings.TIME_ZONE = "Asia/Tokyo"
    with timezone.override("America/New_York"):
        text = (await client.value(PUBLISH, as_=user))["message"]["publishTime"]
        time = datetime.fromisoformat(text)
        assert time.utcoffset() == timedelta(0)
        assert abs(time - datetime.now(UTC)) < timedelta(minutes=1)
        step = timedelta(minutes=1)
        for zone in (UTC, timezone.get_current_timezone()):
            since, before = ((time + way).astimezone(zone).isoformat() for way in (-step, step))
            page = await client.value(FIND, {"since": since, "before": before}, as_=user)
            assert page == {"edges": [{"node": {"publishTime": text}}]}
            page = await client.value(FIND, {"since": before}, as_=user)
            assert page == {"edges": []}
