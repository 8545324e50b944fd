"""Topics: hand out rights and take them away."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import DjangoCaptureOnCommitCallbacks

from dasf_broker.domain.events import Event, TopicAppeared
from dasf_broker.exceptions import BadInputError, ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage import settlement
from dasf_broker.operations.topics import GRANTABLE, grant_permission, revoke_permission
from dasf_broker.permissions import Right, grant, rights_on
from tests.conftest import MakeUser
from tests.operations.helpers import ack, send_many, stored

VERBS = [grant_permission, revoke_permission]


@pytest.mark.parametrize("right", sorted(GRANTABLE))
def test_a_right_comes_and_goes(
    right: Right, topic: BrokerTopic, manager: User, stranger: User
) -> None:
    """Giving it twice is giving it once; taking it twice is no error."""
    caller, who = Caller(manager), {"username": "stranger", "group": None}
    for _ in range(2):
        grant_permission(caller, "topic", right, **who)
        assert rights_on(stranger, topic).held == {right}
    for _ in range(2):
        revoke_permission(caller, "topic", right, **who)
        assert rights_on(stranger, topic).held == set()


def test_groups_hold_rights_too(topic: BrokerTopic, manager: User, stranger: User) -> None:
    """For all of their members."""
    group = Group.objects.create(name="modules")
    stranger.groups.add(group)
    who = {"username": None, "group": "modules"}
    grant_permission(Caller(manager), "topic", Right.CONSUME, **who)
    assert rights_on(stranger, topic).may_consume
    revoke_permission(Caller(manager), "topic", Right.CONSUME, **who)
    assert not rights_on(stranger, topic).is_visible


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("username", "group", "field"),
    [
        (None, None, "username"),
        ("manager", "modules", "username"),
        ("nobody", None, "username"),
        (None, "nobody", "group"),
        ("", None, "username"),
        (None, "", "group"),
        ("\x00", None, "username"),
        (None, "\x00", "group"),
        ("\ud800", None, "username"),
    ],
)
def test_exactly_one_known_holder(
    verb: Any,
    username: str | None,
    group: str | None,
    field: str,
    topic: BrokerTopic,
    manager: User,
) -> None:
    """Neither none nor both, and nobody who does not exist."""
    Group.objects.create(name="modules")
    with pytest.raises(BadInputError) as caught:
        verb(Caller(manager), "topic", Right.CONSUME, username=username, group=group)
    assert caught.value.details == {"field": field}


@pytest.mark.parametrize("verb", VERBS)
def test_only_managers_may(
    verb: Any, topic: BrokerTopic, producer: User, consumer: User, stranger: User
) -> None:
    """Nobody gives a right to themselves."""
    for user in (producer, consumer):
        with pytest.raises(ForbiddenError):
            verb(Caller(user), "topic", Right.CHANGE, username=user.username, group=None)
    for slug in ("topic", "missing"):
        with pytest.raises(NotFoundError):
            verb(Caller(stranger), slug, Right.CHANGE, username="stranger", group=None)
    with pytest.raises(BadInputError):
        verb(Caller(stranger), "a b", Right.CHANGE, username="stranger", group=None)


@pytest.mark.parametrize("by_group", [False, True])
def test_whoever_was_missing_and_leaves_is_no_longer_waited_for(
    by_group: bool,
    topic: BrokerTopic,
    manager: User,
    producer: User,
    consumer: User,
    make_user: MakeUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The messages that the others have acknowledged go, in steps; the rest stays."""
    monkeypatch.setattr(settlement, "STEP", 2)
    BrokerTopic.objects.update(store_messages="cacheall")
    missing, group = make_user("missing"), Group.objects.create(name="modules")
    missing.groups.add(group)
    grant(group if by_group else missing, topic, Right.CONSUME)
    ids = send_many(producer, 7)
    for message_id in ids[1:6]:
        ack(consumer, message_id)
    assert stored(topic) == ids
    who = {"username": None, "group": "modules"} if by_group else named("missing")
    revoke_permission(Caller(manager), "topic", Right.CONSUME, **who)
    assert stored(topic) == [ids[0], ids[6]]


def test_when_the_last_consumer_leaves_everything_stays(
    topic: BrokerTopic, manager: User, producer: User, consumer: User
) -> None:
    """Whoever gets the right next takes over."""
    BrokerTopic.objects.update(store_messages="cacheall")
    ids = send_many(producer, 2)
    revoke_permission(Caller(manager), "topic", Right.CONSUME, **named("consumer"))
    assert stored(topic) == ids


def test_a_consumer_who_comes_back_does_not_get_old_messages_stuck(
    topic: BrokerTopic, manager: User, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """What the only consumer acknowledged long ago waits for nobody."""
    BrokerTopic.objects.update(store_messages="cacheall")
    make_user("second", topic, Right.CONSUME)
    first, second = send_many(producer, 2)
    ack(consumer, first)
    for name in ("consumer", "second"):
        revoke_permission(Caller(manager), "topic", Right.CONSUME, **named(name))
    assert stored(topic) == [first, second]
    grant_permission(Caller(manager), "topic", Right.CONSUME, **named("consumer"))
    assert stored(topic) == [second]


def test_who_waits_for_the_right_hears_of_it(
    topic: BrokerTopic,
    manager: User,
    stranger: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """A client may listen before it is allowed to."""
    with django_capture_on_commit_callbacks(execute=True):
        grant_permission(Caller(manager), "topic", Right.CONSUME, **named("stranger"))
    assert announced == [TopicAppeared(topic_slug="topic")]


def named(username: str) -> dict[str, str | None]:
    """Return a user as the operations take a holder."""
    return {"username": username, "group": None}
