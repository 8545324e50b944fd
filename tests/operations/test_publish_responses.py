"""Publish: requests that name the topic for their answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import Event, TopicAppeared
from dasf_broker.exceptions import ConflictError
from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
    ResponseTopic,
)
from dasf_broker.operations.auto_create import ANSWERS_KEPT
from dasf_broker.operations.publish import publish_batch
from dasf_broker.permissions import Right, grant, rights_on
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import codes, publication, send, stored


def test_the_first_request_creates_it(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """The requester consumes there, and the consumers of the source may produce."""
    outcome = send(producer, response_topic="answers")
    assert outcome.response_topic == "answers"
    answers = ResponseTopic.objects.get(slug="answers")
    assert answers.is_response_for == topic
    assert rights_on(producer, answers).may_consume
    assert not rights_on(producer, answers).may_produce
    assert rights_on(consumer, answers).may_produce
    assert not rights_on(consumer, answers).may_consume
    assert send(consumer, "answers", message_type=MessageType.RESPONSE).message.is_response


def test_the_right_to_answer_needs_no_rows(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Only the requester's one is written, however many consumers there are."""
    before = BrokerTopicUserPermission.objects.count()
    send(producer, response_topic="answers")
    assert BrokerTopicUserPermission.objects.count() == before + 1
    assert not BrokerTopicGroupPermission.objects.exists()


def test_it_is_created_once_and_keeps_its_requests(topic: BrokerTopic, producer: User) -> None:
    """Two in one batch, one later; all are its source messages."""
    batch = [publication(producer, response_topic="answers") for _ in range(2)]
    assert codes(publish_batch([*batch, publication(producer)])) == ["STORED"] * 3
    send(producer, response_topic="answers")
    answers = ResponseTopic.objects.get()
    requests = answers.source_messages.order_by("sequence")
    assert list(requests.values_list("sequence", flat=True)) == [1, 2, 4]


def test_a_repeated_request_is_linked_once(topic: BrokerTopic, producer: User) -> None:
    """A duplicate adds nothing."""
    request = publication(producer, response_topic="answers")
    assert codes(publish_batch([request, request])) == ["STORED", "DUPLICATE"]
    assert ResponseTopic.objects.get().source_messages.count() == 1


def test_an_unstored_request_creates_it_too(
    make_topic: MakeTopic, make_user: MakeUser, settings: Settings
) -> None:
    """There is just no message to link."""
    settings.DASF_STORE_RESPONSE_MESSAGES = "store"
    topic = make_topic("live", store_messages="disabled")
    send(make_user("producer", topic, Right.PRODUCE), "live", response_topic="answers")
    answers = ResponseTopic.objects.get()
    assert answers.source_messages.count() == 0
    assert answers.storage_policy.value == "store"


@pytest.mark.parametrize("owner", ["topic of somebody", "answers of somebody", "other answers"])
def test_naming_a_slug_does_not_capture_it(
    owner: str, topic: BrokerTopic, producer: User, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """A name that is taken is a conflict, and changes no right."""
    if owner == "topic of somebody":
        make_topic("taken")
    elif owner == "answers of somebody":
        send(make_user("victim", topic, Right.PRODUCE), response_topic="taken")
    else:
        other = make_topic("other")
        grant(producer, other, Right.PRODUCE)
        send(producer, "other", response_topic="taken")
    before = set(BrokerTopicUserPermission.objects.values_list("user", "permission"))
    sent = len(stored(topic))
    with pytest.raises(ConflictError, match="'taken'"):
        send(producer, response_topic="taken")
    assert set(BrokerTopicUserPermission.objects.values_list("user", "permission")) == before
    assert len(stored(topic)) == sent


def test_a_topic_that_the_requester_consumes_may_be_named(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """It is then not a response topic, and no request is linked to it."""
    own = make_topic("own")
    grant(producer, own, Right.CONSUME)
    assert send(producer, response_topic="own").response_topic == "own"
    assert not ResponseTopic.objects.exists()


def test_one_refused_request_fails_no_neighbour(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic
) -> None:
    """The others are stored, and their response topic is there."""
    make_topic("taken")
    batch = [publication(producer, response_topic=name) for name in ("one", "taken", "two")]
    assert codes(publish_batch(batch)) == ["STORED", "CONFLICT", "STORED"]
    assert set(ResponseTopic.objects.values_list("slug", flat=True)) == {"one", "two"}


def test_nobody_listens_for_ever(topic: BrokerTopic, producer: User) -> None:
    """It is due a day after the last request, until somebody listens: that takes the mark off."""
    send(producer, response_topic="answers")
    for soon in (timezone.now(), timezone.now() + timedelta(hours=22)):
        ResponseTopic.objects.update(garbage_collect_on=soon)
        send(producer, response_topic="answers")
        due = ResponseTopic.objects.get().garbage_collect_on
        assert due is not None
        assert abs(due - timezone.now() - ANSWERS_KEPT) < timedelta(minutes=5)
    ResponseTopic.objects.update(garbage_collect_on=None)
    send(producer, response_topic="answers")
    assert ResponseTopic.objects.get().garbage_collect_on is None


def test_who_waits_for_it_hears_of_it(
    topic: BrokerTopic,
    producer: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """A client may listen before the topic exists."""
    with django_capture_on_commit_callbacks(execute=True):
        send(producer, response_topic="answers")
    assert TopicAppeared(topic_slug="answers") in announced
