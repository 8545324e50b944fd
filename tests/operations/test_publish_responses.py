"""Publish: requests that name the topic for their answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import Event, TopicAppeared
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import ConflictError
from dasf_broker.models import (
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
    ResponseTopic,
)
from dasf_broker.operations import publish as publish_module
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage.response_topics import KEPT
from dasf_broker.permissions import Right, grant, rights_on
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import codes, publication, send, stored


def test_the_first_request_creates_it(topic: BrokerTopic, producer: User, consumer: User) -> None:
    """The requester consumes there, and the consumers of the source may produce."""
    outcome = send(producer, response_topic="topic_answers")
    assert outcome.response_topic == "topic_answers"
    answers = ResponseTopic.objects.get(slug="topic_answers")
    assert answers.is_response_for == topic
    assert rights_on(producer, answers).may_consume
    assert not rights_on(producer, answers).may_produce
    assert rights_on(consumer, answers).may_produce
    assert not rights_on(consumer, answers).may_consume
    assert send(consumer, "topic_answers", message_type=MessageType.RESPONSE).message.is_response


def test_the_right_to_answer_needs_no_rows(
    topic: BrokerTopic, producer: User, consumer: User
) -> None:
    """Only the requester's one is written, however many consumers there are."""
    before = BrokerTopicUserPermission.objects.count()
    send(producer, response_topic="topic_answers")
    assert BrokerTopicUserPermission.objects.count() == before + 1
    assert not BrokerTopicGroupPermission.objects.exists()


def test_it_is_created_once_and_keeps_its_requests(topic: BrokerTopic, producer: User) -> None:
    """Two in one batch, one later; all are its source messages."""
    batch = [publication(producer, response_topic="topic_answers") for _ in range(2)]
    assert codes(publish_batch([*batch, publication(producer)])) == ["STORED"] * 3
    send(producer, response_topic="topic_answers")
    answers = ResponseTopic.objects.get()
    requests = answers.source_messages.order_by("sequence")
    assert list(requests.values_list("sequence", flat=True)) == [1, 2, 4]


def test_a_repeated_request_is_linked_once(topic: BrokerTopic, producer: User) -> None:
    """A duplicate adds nothing."""
    request = publication(producer, response_topic="topic_answers")
    assert codes(publish_batch([request, request])) == ["STORED", "DUPLICATE"]
    assert ResponseTopic.objects.get().source_messages.count() == 1


def test_an_unstored_request_creates_it_too(
    make_topic: MakeTopic, make_user: MakeUser, settings: Settings
) -> None:
    """There is just no message to link."""
    settings.DASF_STORE_RESPONSE_MESSAGES = "store"
    topic = make_topic("live", store_messages="disabled")
    send(make_user("producer", topic, Right.PRODUCE), "live", response_topic="live_answers")
    answers = ResponseTopic.objects.get()
    assert answers.source_messages.count() == 0
    assert answers.storage_policy.value == "store"


@pytest.mark.parametrize("owner", ["topic of somebody", "answers of somebody", "other answers"])
def test_naming_a_slug_does_not_capture_it(
    owner: str, topic: BrokerTopic, producer: User, make_topic: MakeTopic, make_user: MakeUser
) -> None:
    """A name that is taken is a conflict, and changes no right."""
    if owner == "topic of somebody":
        make_topic("topic_b_taken")
    elif owner == "answers of somebody":
        send(make_user("victim", topic, Right.PRODUCE), response_topic="topic_b_taken")
    else:
        other = make_topic("topic_b")
        grant(producer, other, Right.PRODUCE)
        send(producer, "topic_b", response_topic="topic_b_taken")
    before = set(BrokerTopicUserPermission.objects.values_list("user", "permission"))
    sent = len(stored(topic))
    with pytest.raises(ConflictError, match="'topic_b_taken'"):
        send(producer, response_topic="topic_b_taken")
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
    make_topic("topic_b_taken")
    batch = [
        publication(producer, response_topic=name)
        for name in ("topic_one", "topic_b_taken", "topic_two")
    ]
    assert codes(publish_batch(batch)) == ["STORED", "CONFLICT", "STORED"]
    assert set(ResponseTopic.objects.values_list("slug", flat=True)) == {"topic_one", "topic_two"}


def test_nobody_listens_for_ever(topic: BrokerTopic, producer: User) -> None:
    """It is due a day after the last request, until somebody listens: that takes the mark off."""
    send(producer, response_topic="topic_answers")
    for soon in (timezone.now(), timezone.now() + timedelta(hours=22)):
        ResponseTopic.objects.update(garbage_collect_on=soon)
        send(producer, response_topic="topic_answers")
        due = ResponseTopic.objects.get().garbage_collect_on
        assert due is not None
        assert abs(due - timezone.now() - KEPT) < timedelta(minutes=5)
    ResponseTopic.objects.update(garbage_collect_on=None)
    send(producer, response_topic="topic_answers")
    assert ResponseTopic.objects.get().garbage_collect_on is None


def test_who_waits_for_it_hears_of_it(
    topic: BrokerTopic,
    producer: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """A client may listen before the topic exists."""
    with django_capture_on_commit_callbacks(execute=True):
        send(producer, response_topic="topic_answers")
    assert TopicAppeared(topic_slug="topic_answers") in announced


@pytest.mark.parametrize("is_mine", [True, False])
def test_another_process_is_quicker_with_one_of_many(
    is_mine: bool,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After looking and before inserting: only who may not consume that topic is refused."""
    names = ["topic_a", "topic_taken", "topic_b"]
    real = publish_module._lock

    def lock(drafts: Any) -> Any:
        theirs = ResponseTopic.objects.create(slug="topic_taken", is_response_for=topic)
        grant(producer if is_mine else consumer, theirs, Right.CONSUME)
        return real(drafts)

    monkeypatch.setattr(publish_module, "_lock", lock)
    batch = [publication(producer, response_topic=name) for name in names]
    with django_capture_on_commit_callbacks(execute=True):
        outcomes = publish_batch(batch)
    expected = ["STORED", "STORED" if is_mine else "CONFLICT", "STORED"]
    assert codes(outcomes) == expected
    stored_ = [each for each in outcomes if isinstance(each, Published)]
    assert [each.message.sequence for each in stored_] == [*range(1, len(stored_) + 1)]
    assert BrokerTopic.objects.get(pk=topic.pk).last_sequence == len(stored_)
    appeared = [TopicAppeared(topic_slug=name) for name in ("topic_a", "topic_b")]
    assert [each for each in announced if isinstance(each, TopicAppeared)] == appeared
    for name in ("topic_a", "topic_b"):
        answers = ResponseTopic.objects.get(slug=name)
        assert (answers.source_messages.count(), set(answers.consumers)) == (1, {producer})


def test_what_follows_a_refused_one_is_decided_again(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message with the id of a refused one repeats nothing: it is the first with that id."""
    real, message_id = publish_module._lock, uuid4()

    def lock(drafts: Any) -> Any:
        BrokerTopic.objects.create(slug="topic_taken")
        return real(drafts)

    monkeypatch.setattr(publish_module, "_lock", lock)
    batch = [
        publication(producer, message_id=message_id, text="a", response_topic="topic_taken"),
        publication(producer, message_id=message_id, text="b", response_topic="topic_b"),
    ]
    assert codes(publish_batch(batch)) == ["CONFLICT", "STORED"]
    assert ResponseTopic.objects.get().source_messages.get().sequence == 1


def test_receivers_of_django_hear_of_each(topic: BrokerTopic, producer: User) -> None:
    """As of a topic that is saved by itself: a host may keep something beside each."""
    heard: list[tuple[Any, bool | None]] = []

    def before(instance: ResponseTopic, **_: Any) -> None:
        heard.append((instance.pk, None))

    def after(instance: ResponseTopic, created: bool, **_: Any) -> None:
        heard.append((ResponseTopic.objects.get(pk=instance.pk), created))

    pre_save.connect(before, sender=ResponseTopic)
    post_save.connect(after, sender=ResponseTopic)
    try:
        publish_batch([publication(producer, response_topic=f"topic_{each}") for each in range(2)])
    finally:
        pre_save.disconnect(before, sender=ResponseTopic)
        post_save.disconnect(after, sender=ResponseTopic)
    made = [*ResponseTopic.objects.order_by("slug")]
    assert heard == [(None, None)] * 2 + [(each, True) for each in made]


def test_they_are_like_topics_that_are_saved(topic: BrokerTopic, producer: User) -> None:
    """Inserted together, they have the same values in all columns."""
    send(producer, response_topic="topic_answers")
    saved = ResponseTopic.objects.create(slug="topic_saved", is_response_for=topic)
    saved.refresh_from_db()
    inserted = ResponseTopic.objects.get(slug="topic_answers")
    different = {"id", "brokertopic_ptr_id", "slug", "date_created", "garbage_collect_on", "epoch"}
    for column in ResponseTopic._meta.concrete_fields:
        if column.attname not in different:
            assert getattr(inserted, column.attname) == getattr(saved, column.attname), column
    assert inserted.epoch > 0
    assert abs(inserted.date_created - saved.date_created) < timedelta(minutes=5)
