"""What all tests share: people, topics, and clean event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import hypothesis
import pytest
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.cache import cache
from pytest_django import DjangoCaptureOnCommitCallbacks, DjangoDbBlocker, Settings

from dasf_broker import answers, database, primary, test_mode
from dasf_broker.auth import failures
from dasf_broker.concurrency.outage_log import RepeatLog, SharedOutageLog
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions.consumer_log import ConsumerLog
from dasf_broker.permissions import Right, grant
from dasf_broker.realtime import announcer
from dasf_broker.runtime import Runtime, current
from tests.emptying import contents, quick_emptying

# How long an example takes depends on the machine, and says nothing about the broker. Here, because
# a test takes what is in force when it is read.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

MakeUser = Callable[..., User]
MakeTopic = Callable[..., BrokerTopic]


@pytest.fixture(scope="session", autouse=True)
def _threads_as_in_production() -> Iterator[None]:
    """Let the broker not notice that it is tested: `tests/hosts` is about what hosts' tests see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_mode, "are_running", lambda: False)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Empty the test database quickly, and let go of it before it is removed."""
    with django_db_blocker.unblock():
        initial = {primary.alias(): contents(primary.alias())}
    with quick_emptying(initial):
        yield
    database.close()
    with django_db_blocker.unblock():
        assert {alias: contents(alias) for alias in initial} == initial, "something was left"


@pytest.fixture(autouse=True)
def _no_housekeeping(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server of a test do what nobody asked for, or leave a task behind."""
    settings.DASF_HOUSEKEEPING = False
    monkeypatch.setattr(Runtime, "_compare_settings", lambda _: None)


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash passwords as if nobody wanted to guess them."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nobody_failed() -> None:
    """Let the wrong credentials of one test be none of the next one's."""
    failures.forget()
    cache.clear()


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test hear of the end of another one's outage."""
    outages = SharedOutageLog(database.logger, "The database", quiet=0.0)
    monkeypatch.setattr(database, "OUTAGES", outages)
    monkeypatch.setattr(answers, "_refusals", RepeatLog(answers.logger, "Refused", seconds=60.0))


@pytest.fixture(autouse=True)
def _no_announcements_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loop of a test send nothing that the loop of an earlier one left at its end."""
    monkeypatch.setattr(announcer, "_process", announcer._Process())


@pytest.fixture(autouse=True)
def _nobody_listens_on() -> Iterator[None]:
    """See that each test closes its hub: the Redis layer refuses the next one otherwise."""
    yield
    assert not getattr(get_channel_layer(), "receive_count", 0), "use `hub_lifetime`"


@pytest.fixture(autouse=True)
def pings_on_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ping no topic because a consumer arrives: most tests are about other messages."""
    monkeypatch.setattr(ConsumerLog, "may_ping", lambda _, __: False)


@pytest.fixture
def django_capture_on_commit_callbacks(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Any:
    """Return what captures the callbacks of the broker's database, whatever its alias is."""
    return partial(django_capture_on_commit_callbacks, using=primary.alias())


@pytest.fixture
async def hub_lifetime() -> AsyncIterator[None]:
    """Close the hub that a test's event loop may have opened, and see its consumers off."""
    yield
    await current().close_hub()
    # Or the next test would be told of them: its topic is pinged when the last one has left.
    while writing := current().consumer_log._writing:
        await asyncio.wait(writing)


@pytest.fixture
def make_user(db: None) -> MakeUser:
    """Return a function that makes a user with rights: ``make_user("name", topic, Right...)``."""

    def make(name: str, topic: BrokerTopic | None = None, *rights: Right, **fields: Any) -> User:
        user = get_user_model().objects.create_user(name, **fields)
        if topic is not None:
            grant(user, topic, *rights)
        return user

    return make


@pytest.fixture
def make_topic(db: None) -> MakeTopic:
    """Return a function that makes a topic: ``make_topic("slug", store_messages="store")``."""

    def make(slug: str = "topic", **fields: Any) -> BrokerTopic:
        topic: BrokerTopic = BrokerTopic.objects.create(slug=slug, **fields)
        return topic

    return make


@pytest.fixture
def topic(make_topic: MakeTopic) -> BrokerTopic:
    """Return a private topic under the default storage rule, ``cache``."""
    return make_topic("topic", supports_dasf=True)


@pytest.fixture
def producer(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return a user who may publish to ``topic``."""
    return make_user("producer", topic, Right.PRODUCE)


@pytest.fixture
def consumer(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return a user who may consume from ``topic``."""
    return make_user("consumer", topic, Right.CONSUME)


@pytest.fixture
def stranger(make_user: MakeUser) -> User:
    """Return a user without any right."""
    return make_user("stranger")


@pytest.fixture
def manager(make_user: MakeUser, topic: BrokerTopic) -> User:
    """Return a user who manages ``topic``, but may not consume from it."""
    return make_user("manager", topic, Right.CHANGE, Right.DELETE)


@pytest.fixture
def superuser(db: None) -> User:
    """Return a superuser."""
    return get_user_model().objects.create_superuser("root")


@pytest.fixture
def anonymous(db: None) -> Caller:
    """Return a caller without an account."""
    return Caller.of(None)
