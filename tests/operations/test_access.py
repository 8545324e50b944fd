"""From the slug that a caller names to the topic and what the caller may do with it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from guardian.utils import get_anonymous_user

from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import AccessTable, access, access_by_id, consumable
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import store_api_info
from tests.conftest import MakeTopic
from tests.operations.helpers import queries


def test_a_topic_that_the_caller_may_see(topic: BrokerTopic, consumer: User) -> None:
    """By slug and by primary key."""
    caller = Caller(consumer)
    for found in (access(caller, "topic"), access_by_id(caller, topic.pk)):
        assert (found.caller, found.topic) == (caller, topic)
        assert found.rights.may_consume
        assert found.to_consume() is found


def test_hidden_and_missing_topics_are_answered_alike(topic: BrokerTopic, stranger: User) -> None:
    """By slug and by primary key."""
    caller = Caller(stranger)
    for slug in ("topic", "missing"):
        with pytest.raises(NotFoundError, match=slug):
            access(caller, slug)
    texts = set()
    for pk in (topic.pk, topic.pk + 1000, 2**63 - 1):
        with pytest.raises(NotFoundError) as caught:
            access_by_id(caller, pk)
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("slug", ["", "a b", "a\x00", "\ud800"])
def test_what_is_no_slug_is_bad_input(slug: str, stranger: User) -> None:
    """The database is not asked for it, and the caller's name of the argument is used."""
    with pytest.raises(BadInputError) as caught:
        access(Caller(stranger), slug, field="slug")
    assert caught.value.details == {"field": "slug"}
    with pytest.raises(NotFoundError):
        AccessTable([(Caller(stranger), slug)]).get(Caller(stranger), slug)


def test_what_is_not_allowed_is_named(
    topic: BrokerTopic, producer: User, make_topic: MakeTopic, anonymous: Caller
) -> None:
    """The error says who may not do what with which topic."""
    make_topic("open", is_public=True)
    with pytest.raises(ForbiddenError, match=r"^producer may not consume from topic 'topic'\.$"):
        consumable(Caller(producer), "topic")
    with pytest.raises(ForbiddenError, match=r"^An anonymous caller may not consume from"):
        consumable(anonymous, "open")


def test_a_table_takes_the_same_queries_for_many(
    topic: BrokerTopic, producer: User, consumer: User, stranger: User, make_topic: MakeTopic
) -> None:
    """Topics and rights, one query each."""
    for number in range(20):
        make_topic(f"t{number}")
    pairs = [(Caller(user), f"t{number}") for user in (consumer, stranger) for number in range(20)]
    access(Caller(producer), "topic")  # the content type is looked up once and for all
    assert queries(lambda: AccessTable(pairs)) == 2


def test_callers(stranger: User) -> None:
    """Nobody is guardian's anonymous user, which is told apart from one who is somebody."""
    assert Caller.of(stranger) == Caller(stranger, is_anonymous=False)
    nobody = Caller(get_anonymous_user(), is_anonymous=True)
    assert Caller.of(None) == Caller.of(AnonymousUser()) == nobody


@pytest.mark.parametrize("api_info", [None, {"functions": ["add"]}, [], "text"])
def test_the_description_of_a_module(
    api_info: Any, topic: BrokerTopic, consumer: User, producer: User, stranger: User
) -> None:
    """Only the module behind a topic, its consumer, describes it."""
    store_api_info(Caller(consumer), "topic", api_info)
    with pytest.raises(ForbiddenError):
        store_api_info(Caller(producer), "topic", 1)
    with pytest.raises(NotFoundError):
        store_api_info(Caller(stranger), "topic", 1)
    topic.refresh_from_db()
    assert topic.api_info == api_info


def test_only_named_pairs_are_looked_at(
    topic: BrokerTopic, consumer: User, producer: User, make_topic: MakeTopic
) -> None:
    """What a batch of many users and many topics costs grows with the batch, not its square."""
    make_topic("other", is_public=True)
    table = AccessTable([(Caller(consumer), "topic"), (Caller(producer), "other")])
    assert table.get(Caller(consumer), "topic").rights.may_consume
    assert table.get(Caller(producer), "other").rights.may_produce
    assert len(table._rights) == 2
