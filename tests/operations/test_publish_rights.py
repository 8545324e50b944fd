"""Publish: who may, who may not, and which topics a message creates."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from dasf_broker.exceptions import ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import publish_batch
from dasf_broker.permissions import CREATOR_RIGHTS, Right, grant, rights_on
from tests.conftest import MakeTopic, MakeUser
from tests.operations.conftest import GrantGlobally
from tests.operations.helpers import codes, publication, send


def test_a_producer_may(topic: BrokerTopic, producer: User, superuser: User) -> None:
    """So may a superuser."""
    assert send(producer).status.value == "STORED"
    assert send(superuser).status.value == "STORED"


@pytest.mark.parametrize("right", [Right.CONSUME, Right.VIEW_STATUS, Right.VIEW, Right.CHANGE])
def test_who_sees_the_topic_is_told_that_it_is_forbidden(
    right: Right, topic: BrokerTopic, make_user: MakeUser
) -> None:
    """No other right lets publish."""
    with pytest.raises(ForbiddenError, match="may not publish to topic 'topic'"):
        send(make_user("other", topic, right))


def test_hidden_is_answered_like_missing(topic: BrokerTopic, stranger: User) -> None:
    """Word for word, but for the slug that was asked for."""
    with pytest.raises(NotFoundError) as hidden:
        send(stranger, "topic")
    with pytest.raises(NotFoundError) as missing:
        send(stranger, "missing")
    assert str(hidden.value) == str(missing.value).replace("missing", "topic")
    assert hidden.value.extensions == missing.value.extensions


def test_everybody_may_publish_to_a_public_topic(
    make_topic: MakeTopic, stranger: User, anonymous: Caller
) -> None:
    """With an account or without."""
    make_topic("open", is_public=True)
    assert send(stranger, "open").message.sequence == 1
    outcome = send(anonymous, "open")
    assert outcome.message.sequence == 2
    assert outcome.message.user_id == str(anonymous.user.pk)


def test_anonymous_callers_hold_what_guardians_user_holds(
    topic: BrokerTopic, anonymous: Caller
) -> None:
    """Nothing, until it is granted."""
    with pytest.raises(NotFoundError):
        send(anonymous)
    grant(anonymous.user, topic, Right.VIEW_STATUS)
    with pytest.raises(ForbiddenError, match="An anonymous caller may not"):
        send(anonymous)
    grant(anonymous.user, topic, Right.PRODUCE)
    assert send(anonymous).status.value == "STORED"


def test_inactive_users_hold_nothing(topic: BrokerTopic, producer: User) -> None:
    """A right stays in the table, but does not count."""
    producer.is_active = False
    producer.save()
    with pytest.raises(NotFoundError):
        send(producer)


def test_who_may_add_topics_creates_one(stranger: User, grant_globally: GrantGlobally) -> None:
    """The first message creates it, and its publisher manages it without consuming from it."""
    author = grant_globally(stranger, Right.ADD)
    batch = [publication(author, "fresh"), publication(author, "fresh")]
    outcomes = publish_batch(batch)
    assert codes(outcomes) == ["STORED", "STORED"]
    assert [outcome.topic_created for outcome in outcomes] == [True, False]  # type: ignore[union-attr]
    held = rights_on(author, BrokerTopic.objects.get(slug="fresh"))
    assert held.held >= set(CREATOR_RIGHTS)
    assert not held.may_consume


def test_the_setting_forbids_it_for_all(superuser: User, settings: Settings) -> None:
    """Even superusers are told that there is no such topic."""
    settings.DASF_CREATE_TOPIC_ON_MESSAGE = False
    with pytest.raises(NotFoundError):
        send(superuser, "fresh")
    assert not BrokerTopic.objects.exists()


def test_without_the_right_nothing_is_created(
    stranger: User, topic: BrokerTopic, producer: User, anonymous: Caller
) -> None:
    """Holding rights on one topic is not enough."""
    for caller in (Caller(stranger), Caller(producer), anonymous):
        with pytest.raises(NotFoundError):
            send(caller, "fresh")
    assert list(BrokerTopic.objects.all()) == [topic]


def test_a_hidden_topic_is_not_created_again(
    topic: BrokerTopic, stranger: User, grant_globally: GrantGlobally
) -> None:
    """Who may add topics does not get at one that exists."""
    with pytest.raises(NotFoundError):
        send(grant_globally(stranger, Right.ADD), "topic")


def test_several_callers_in_one_batch(
    topic: BrokerTopic, producer: User, consumer: User, stranger: User, anonymous: Caller
) -> None:
    """Each is answered by their own rights."""
    users = (producer, consumer, stranger, anonymous.user, producer)
    callers = [Caller(user, is_anonymous=user == anonymous.user) for user in users]
    outcomes = publish_batch([publication(caller) for caller in callers])
    assert codes(outcomes) == ["STORED", "FORBIDDEN", "NOT_FOUND", "NOT_FOUND", "STORED"]
