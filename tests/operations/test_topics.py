"""Topics: create, change and delete them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker.domain.events import Event, TopicAppeared, TopicDeleted
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BadInputError, ConflictError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicUserPermission
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import TopicOptions, create_topic, delete_topic, update_topic
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.operations.conftest import GrantGlobally
from tests.operations.helpers import ack, send, send_many, stored

NOTHING = TopicOptions()


@pytest.fixture
def author(stranger: User, grant_globally: GrantGlobally) -> Caller:
    """Return somebody who may add topics."""
    return Caller(grant_globally(stranger, Right.ADD))


def test_the_creator_manages_the_topic(author: Caller) -> None:
    """They may produce, see the status, change and delete, but are not its consumer."""
    found = create_topic(author, "fresh", NOTHING)
    held = found.rights
    assert (held.may_produce, held.may_change, held.may_delete) == (True, True, True)
    assert not held.may_consume
    assert found.topic == BrokerTopic.objects.get(slug="fresh")


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({}, (False, True, None)),
        ({"is_public": True}, (True, True, None)),
        ({"supports_dasf": False, "store_messages": StoragePolicy.STORE}, (False, False, "store")),
        ({"store_messages": ""}, (False, True, None)),
    ],
)
def test_options_are_stored(options: dict[str, Any], values: Any, author: Caller) -> None:
    """What was not chosen has its default."""
    create_topic(author, "fresh", TopicOptions(**options))
    topic = BrokerTopic.objects.get()
    assert (topic.is_public, topic.supports_dasf, topic.store_messages) == values


@pytest.mark.parametrize("slug", ["", "a b", "a\x00", "x" * 129])
def test_a_wrong_slug_is_bad_input(slug: str, author: Caller) -> None:
    """And named as what it is."""
    with pytest.raises(BadInputError) as caught:
        create_topic(author, slug, NOTHING)
    assert caught.value.details == {"field": "slug"}


def test_a_taken_slug_is_a_conflict(author: Caller, topic: BrokerTopic) -> None:
    """Whether it can be seen or not, and without any right on it."""
    with pytest.raises(ConflictError) as caught:
        create_topic(author, "topic", NOTHING)
    assert caught.value.details == {"field": "slug"}
    assert not BrokerTopicUserPermission.objects.filter(user=author.user).exists()


def test_not_everybody_creates_topics(stranger: User, manager: User, anonymous: Caller) -> None:
    """Managing one topic does not let create others."""
    for caller in (Caller(stranger), Caller(manager), anonymous):
        with pytest.raises(ForbiddenError, match="add_brokertopic"):
            create_topic(caller, "fresh", NOTHING)


def test_who_waits_for_a_topic_hears_of_it(
    author: Caller,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Once it is committed."""
    with django_capture_on_commit_callbacks(execute=True):
        create_topic(author, "fresh", NOTHING)
    assert announced == [TopicAppeared(topic_slug="fresh")]


def test_only_what_is_given_changes(topic: BrokerTopic, manager: User) -> None:
    """The empty text takes the topic's own rule away; nothing at all changes nothing."""
    caller = Caller(manager)
    update_topic(caller, "topic", TopicOptions(store_messages=StoragePolicy.STORE))
    found = update_topic(caller, "topic", TopicOptions(is_public=True))
    update_topic(caller, "topic", NOTHING)
    topic.refresh_from_db()
    assert (topic.is_public, topic.supports_dasf, topic.store_messages) == (True, True, "store")
    assert found.rights.may_produce
    update_topic(caller, "topic", TopicOptions(store_messages="", supports_dasf=False))
    topic.refresh_from_db()
    assert (topic.is_public, topic.supports_dasf, topic.store_messages) == (True, False, None)


@pytest.mark.parametrize(
    "verb", [lambda caller, slug: update_topic(caller, slug, NOTHING), delete_topic]
)
def test_rights_to_manage(
    verb: Any,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    stranger: User,
    make_user: MakeUser,
) -> None:
    """Changing and deleting are rights of their own."""
    other = Right.DELETE if verb is not delete_topic else Right.CHANGE
    for user in (producer, consumer, make_user("half", topic, other)):
        with pytest.raises(ForbiddenError):
            verb(Caller(user), "topic")
    with pytest.raises(NotFoundError):
        verb(Caller(stranger), "topic")
    with pytest.raises(NotFoundError):
        verb(Caller(producer), "missing")
    with pytest.raises(BadInputError):
        verb(Caller(producer), "a b")
    assert BrokerTopic.objects.filter(slug="topic").exists()


def test_storing_again_expires_all_cursors(
    topic: BrokerTopic, manager: User, producer: User
) -> None:
    """What was not stored in between would be a hole behind every older cursor."""
    caller = Caller(manager)
    [_, newest] = (send(producer).message.sequence for _ in range(2))
    assert newest is not None
    update_topic(caller, "topic", TopicOptions(store_messages=StoragePolicy.DISABLED))
    send(producer)
    update_topic(caller, "topic", TopicOptions(store_messages=StoragePolicy.CACHE))
    topic.refresh_from_db()
    assert topic.expired_sequence > newest
    sequence = send(producer).message.sequence
    assert sequence is not None
    assert sequence > topic.expired_sequence


@pytest.mark.parametrize("policy", ["cache", "cacheall", "store", ""])
def test_other_changes_expire_nothing(
    policy: str, topic: BrokerTopic, manager: User, producer: User
) -> None:
    """As long as every message was stored."""
    send(producer)
    update_topic(Caller(manager), "topic", TopicOptions(store_messages=policy))
    topic.refresh_from_db()
    assert (topic.expired_sequence, topic.last_sequence) == (0, 1)


def test_a_stricter_rule_removes_what_it_calls_settled(
    topic: BrokerTopic, manager: User, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Messages that were kept for others, or for ever, go when the rule no longer wants them."""
    make_user("second", topic, Right.CONSUME)
    BrokerTopic.objects.update(store_messages="store")
    first, second = send_many(producer, 2)
    ack(consumer, first)
    update_topic(Caller(manager), "topic", TopicOptions(store_messages=StoragePolicy.CACHEALL))
    assert stored(topic) == [first, second]
    update_topic(Caller(manager), "topic", TopicOptions(store_messages=StoragePolicy.CACHE))
    assert stored(topic) == [second]


def test_a_topic_goes_with_all_that_belongs_to_it(
    topic: BrokerTopic,
    manager: User,
    producer: User,
    announced: list[Event],
    make_topic: MakeTopic,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Messages, rights and response topics; other topics stay, and listeners are told."""
    grant(producer, make_topic("other"), Right.PRODUCE)
    send(producer, response_topic="topic_answers")
    send(producer, "other")
    ids = dict(BrokerTopic.objects.values_list("slug", "pk"))
    announced.clear()
    with django_capture_on_commit_callbacks(execute=True):
        delete_topic(Caller(manager), "topic")
    assert announced == [
        TopicDeleted(topic_id=ids[slug], topic_slug=slug) for slug in ("topic", "topic_answers")
    ]
    assert [each.slug for each in BrokerTopic.objects.all()] == ["other"]
    assert [each.topic.slug for each in BrokerMessage.objects.all()] == ["other"]
    assert {each.content_object.slug for each in BrokerTopicUserPermission.objects.all()} == {
        "other"
    }
