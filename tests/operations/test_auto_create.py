"""Topics that a message creates: by one, for good reason, and not for a message that is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker.domain.events import Event, TopicAppeared
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicUserPermission, ResponseTopic
from dasf_broker.operations import new_topics
from dasf_broker.operations.publish import publish_batch
from dasf_broker.permissions import Right, grant, holds_globally
from tests.conftest import MakeTopic
from tests.operations.conftest import GrantGlobally
from tests.operations.helpers import ack, codes, publication, published, send


@pytest.fixture
def author(stranger: User, grant_globally: GrantGlobally) -> User:
    """Return somebody who may add topics."""
    return grant_globally(stranger, Right.ADD)


@pytest.mark.parametrize("answers", ["taken", "fresh"])
def test_a_refused_message_creates_no_topic(
    answers: str,
    author: User,
    make_topic: MakeTopic,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Its answers cannot go where it says: to somebody else's topic, or to itself."""
    make_topic("taken")
    refused = publication(author, "fresh", response_topic=answers)
    with django_capture_on_commit_callbacks(execute=True):
        assert codes(publish_batch([refused])) == ["CONFLICT"]
    assert [each.slug for each in BrokerTopic.objects.all()] == ["taken"]
    assert not BrokerTopicUserPermission.objects.exists()
    assert announced == []


def test_a_neighbour_may_still_create_it(author: User, make_topic: MakeTopic) -> None:
    """What was undone for one message is done for the next of the same batch."""
    make_topic("taken")
    batch = [
        publication(author, "fresh", response_topic="taken"),
        publication(author, "fresh", response_topic="answers"),
        publication(author, "fresh"),
    ]
    outcomes = publish_batch(batch)
    assert codes(outcomes) == ["CONFLICT", "STORED", "STORED"]
    assert [published(each).topic_created for each in outcomes[1:]] == [True, False]
    answers = ResponseTopic.objects.get()
    assert answers.is_response_for.slug == "fresh"
    assert answers.supports_dasf
    assert answers.is_response_for.supports_dasf


@pytest.mark.parametrize("known", ["stored", "removed"])
def test_a_conflicting_message_creates_no_response_topic(
    known: str, topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Its id belongs to another one."""
    message_id = send(producer).message.message_id
    if known == "removed":
        ack(consumer, message_id)
    batch = [
        publication(producer, message_id=message_id, text="other", response_topic="topic_answers"),
        publication(producer, "topic", response_topic="topic_others"),
    ]
    assert codes(publish_batch(batch)) == ["CONFLICT", "STORED"]
    assert ResponseTopic.objects.get().slug == "topic_others"


def test_a_repeated_message_has_its_response_topic(topic: BrokerTopic, producer: User) -> None:
    """Whoever retries waits for the answer: if the topic for it is gone, it is made again."""
    request = publication(producer, response_topic="topic_answers")
    publish_batch([request])
    ResponseTopic.objects.all().delete()
    [again] = publish_batch([request])
    assert (published(again).status.value, published(again).response_topic) == (
        "DUPLICATE",
        "topic_answers",
    )
    assert ResponseTopic.objects.get().slug == "topic_answers"


@pytest.mark.parametrize("may_produce", [True, False])
def test_somebody_else_was_quicker(
    may_produce: bool, author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is their topic: it was not created for us, and their rights decide."""

    def meanwhile() -> None:
        theirs = BrokerTopic.objects.create(slug="fresh")
        if may_produce:
            grant(author, theirs, Right.PRODUCE)

    _let_happen(monkeypatch, meanwhile)
    [outcome] = publish_batch([publication(author, "fresh")])
    if may_produce:
        assert (published(outcome).topic_created, published(outcome).status.value) == (
            False,
            "STORED",
        )
    else:
        assert codes([outcome]) == ["NOT_FOUND"]


def test_somebody_else_took_the_name_for_the_answers(
    author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last moment: the topic that was just created goes again."""
    _let_happen(monkeypatch, lambda: BrokerTopic.objects.create(slug="answers"))
    batch = [
        publication(author, "fresh", response_topic="answers"),
        publication(author, "fresh", message_id=uuid4()),
    ]
    assert codes(publish_batch(batch)) == ["CONFLICT", "STORED"]
    assert BrokerMessage.objects.get().topic.slug == "fresh"


def test_the_topic_is_deleted_meanwhile(
    author: User, topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking at its rights and locking it: nothing is left of the message."""
    BrokerTopic.objects.update(store_messages="disabled")
    _let_happen(monkeypatch, topic.delete)
    # It is deleted when the topic of the second one is created.
    batch = [publication(producer, response_topic="topic_answers"), publication(author, "fresh")]
    assert codes(publish_batch(batch)) == ["NOT_FOUND", "STORED"]
    assert not ResponseTopic.objects.exists()


def test_who_creates_hears_of_both(
    author: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Both topics are announced, and the message."""
    with django_capture_on_commit_callbacks(execute=True):
        send(author, "fresh", response_topic="answers")
    appeared = [TopicAppeared(topic_slug=slug) for slug in ("fresh", "answers")]
    assert announced[:2] == appeared
    assert len(announced) == 3


def _let_happen(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Let something happen once the topics were looked up and before one is created."""

    def hold(*arguments: Any) -> bool:
        monkeypatch.undo()
        act()
        return holds_globally(*arguments)

    monkeypatch.setattr(new_topics, "holds_globally", hold)
