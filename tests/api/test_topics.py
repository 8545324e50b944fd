"""Ping and create topics from a host's own code."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction

from dasf_broker import StoragePolicy, acreate_topic, aping, create_topic, ping, primary
from dasf_broker.domain.events import Event, MessagePublished, TopicPinged
from dasf_broker.exceptions import BadInputError, ConflictError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right
from tests.conftest import MakeTopic
from tests.operations.conftest import grant_globally  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)


# --- ping -------------------------------------------------------------------------------------


def test_ping(topic: BrokerTopic, producer: User, announced: list[Event]) -> None:
    """A ping goes out, from both kinds of code, and from a loop that ends with it."""
    first = ping("topic", user=producer)
    later = asyncio.run(aping("topic", user=producer))
    topic.refresh_from_db()
    assert (later.topic, later.pinged_at) == ("topic", topic.last_ping)
    assert first.pinged_at <= later.pinged_at
    assert [type(each) for each in announced] == [TopicPinged, MessagePublished] * 2


def test_the_server_pings(topic: BrokerTopic, announced: list[Event]) -> None:
    """Without a user nobody in person pings."""
    ping("topic")
    assert [each.user_id for each in announced] == [None, None]  # type: ignore[attr-defined]


def test_ping_is_refused(topic: BrokerTopic, consumer: User, stranger: User) -> None:
    """A user is asked for their rights."""
    for user, error in ((consumer, ForbiddenError), (stranger, NotFoundError)):
        with pytest.raises(error):
            ping("topic", user=user)
        with pytest.raises(error):
            asyncio.run(aping("topic", user=user))


def test_ping_joins_the_transaction(topic: BrokerTopic, announced: list[Event]) -> None:
    """A ping that the host takes back is not sent."""
    with primary.atomic():
        ping("topic")
        transaction.set_rollback(True, using=primary.alias())
    assert announced == []


# --- topics -----------------------------------------------------------------------------------


def test_create(db: None) -> None:
    """A topic with all options; it has the server's for the rest."""
    topic = create_topic(
        "weather",
        is_public=True,
        supports_dasf=True,
        store_messages="cacheall",
        retention_age=60,
        retention_count=5,
    )
    assert topic == BrokerTopic.objects.get(slug="weather")
    assert (topic.is_public, topic.supports_dasf, topic.retention_age) == (True, True, 60)
    assert (topic.storage_policy, topic.retention_count) == (StoragePolicy.CACHEALL, 5)
    assert not topic.producers.exists()
    assert create_topic("plain").store_messages is None


def test_create_from_asynchronous_code(db: None, announced: list[Event]) -> None:
    """A loop that ends with it has announced it: somebody may be waiting for the topic."""
    topic = asyncio.run(acreate_topic("weather", store_messages=StoragePolicy.STORE))
    assert topic.store_messages == "store"
    assert [each.topic_slug for each in announced] == ["weather"]  # type: ignore[attr-defined]


def test_exist_ok(make_topic: MakeTopic) -> None:
    """The topic that is there is returned as it is; without the word it is a conflict."""
    there = make_topic("weather", store_messages="store")
    with pytest.raises(ConflictError):
        create_topic("weather", exist_ok=False)
    with primary.atomic():
        assert create_topic("weather", store_messages="cache", exist_ok=True) == there
    assert asyncio.run(acreate_topic("weather", exist_ok=True)) == there
    there.refresh_from_db()
    assert there.store_messages == "store"


def test_creators(stranger: User, grant_globally: object) -> None:  # noqa: F811
    """A user needs the right to add topics, and has rights on what they create."""
    with pytest.raises(ForbiddenError):
        create_topic("weather", user=stranger)
    grant_globally(stranger, Right.ADD)  # type: ignore[operator]
    user = User.objects.get(pk=stranger.pk)
    assert [*create_topic("weather", user=user).producers] == [user]


def test_hidden_topic_stays_hidden(
    make_topic: MakeTopic,
    stranger: User,
    grant_globally: object,  # noqa: F811
) -> None:
    """A user learns that a name is taken, but is not given what they may not see."""
    make_topic("hidden")
    grant_globally(stranger, Right.ADD)  # type: ignore[operator]
    with pytest.raises(NotFoundError):
        create_topic("hidden", user=stranger, exist_ok=True)


@pytest.mark.parametrize(
    ("slug", "options", "field"),
    [
        ("no slug", {}, "slug"),
        ("weather", {"store_messages": "for ever"}, "storeMessages"),
        ("weather", {"retention_age": 0}, "retentionAge"),
        ("weather", {"retention_count": -1}, "retentionCount"),
    ],
)
def test_wrong_options(db: None, slug: str, options: dict[str, int], field: str) -> None:
    """The error names the option, and nothing is created."""
    with pytest.raises(BadInputError) as refused:
        create_topic(slug, **options)  # type: ignore[arg-type]
    assert refused.value.details == {"field": field}
    assert not BrokerTopic.objects.exists()


async def test_blocking_an_event_loop_is_refused(topic: BrokerTopic) -> None:
    """As Django does, with the way out."""
    with pytest.raises(SynchronousOnlyOperation, match="await aping"):
        ping("topic")
    with pytest.raises(SynchronousOnlyOperation, match="await acreate_topic"):
        create_topic("new")
