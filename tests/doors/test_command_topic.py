"""The command `dasf_topic`: create, change and show a topic, and who may use it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from guardian.utils import get_anonymous_user

from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant, users_with
from tests.conftest import MakeUser
from tests.doors.commands import run

NO_OPTIONS = {
    "slug": "new",
    "isPublic": False,
    "supportsDasf": True,
    "storeMessages": None,
    "effectiveStoreMessages": "cache",
    "retentionAge": None,
    "retentionCount": None,
    "isResponseTopic": False,
    "availability": "unknown",
    "storedMessages": 0,
    "outstandingMessages": 0,
    "consumers": [],
    "producers": [],
    "statusViewers": [],
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--create"], {}),
        (["--public"], {"isPublic": True}),
        (["--dasf"], {}),
        (["--no-dasf"], {"supportsDasf": False}),
        (
            ["--store-messages", "store"],
            {"storeMessages": "store", "effectiveStoreMessages": "store"},
        ),
        (["--store-messages", "default"], {}),
        (["--retention-age", "60"], {"retentionAge": 60}),
        (["--retention-count", "none"], {}),
        (["--anonymous"], {"consumers": ["AnonymousUser"], "producers": ["AnonymousUser"]}),
    ],
)
def test_options_create_a_topic(options: list[str], expected: dict[str, Any]) -> None:
    """Any of them does, and it is shown."""
    ran = run("dasf_topic", "new", "--json", *options)
    assert (ran.code, ran.data) == (0, NO_OPTIONS | expected)


def test_slug_alone_changes_nothing(topic: BrokerTopic) -> None:
    """A topic is shown to people, line by line."""
    ran = run("dasf_topic", "topic")
    assert ran.code == 0
    lines = [line.split("  ", 1) for line in ran.out.splitlines()]
    shown = {name: value.strip() for name, value in lines}
    assert shown["topic"] == "topic"
    assert (shown["supports dasf"], shown["is public"], shown["consumers"]) == ("yes", "no", "-")
    assert shown["store messages"] == "as the server's settings say"
    assert shown["retention age"] == "no limit"


@pytest.mark.django_db
def test_slug_alone_creates_nothing() -> None:
    """A misspelt slug is told, with what would make the topic."""
    ran = run("dasf_topic", "wether")
    assert ran.code == 1
    assert "--create" in ran.err
    assert not BrokerTopic.objects.exists()


def test_what_is_not_named_stays(topic: BrokerTopic, consumer: User) -> None:
    """Fields and rights."""
    BrokerTopic.objects.update(is_public=True, store_messages="store")
    shown = run("dasf_topic", "topic", "--store-messages", "default", "--json").data
    assert (shown["isPublic"], shown["supportsDasf"], shown["storeMessages"]) == (True, True, None)
    assert shown["consumers"] == ["consumer"]
    assert not run("dasf_topic", "topic", "--no-public", "--json").data["isPublic"]


def test_limits_are_set_and_taken_away(topic: BrokerTopic) -> None:
    """Each by itself; nothing is said by leaving it out."""
    command = ("dasf_topic", "topic", "--json")
    run(*command, "--retention-age", "60", "--retention-count", "5")
    shown = run(*command, "--retention-age", "none").data
    assert (shown["retentionAge"], shown["retentionCount"]) == (None, 5)


@pytest.mark.parametrize(
    ("option", "shown", "right"),
    [
        ("--consumer", "consumers", Right.CONSUME),
        ("--producer", "producers", Right.PRODUCE),
        ("--view-status", "statusViewers", Right.VIEW_STATUS),
    ],
)
def test_rights_are_handed_out(
    option: str, shown: str, right: Right, topic: BrokerTopic, make_user: MakeUser
) -> None:
    """To users and groups, several at once, and again without harm."""
    member = make_user("member")
    member.groups.add(Group.objects.create(name="staff"))
    Group.objects.create(name="ada")
    ada = make_user("ada")
    command = ("dasf_topic", "topic", "--json", option, "ada", option, "staff")
    for _ in range(2):
        assert run(*command).data[shown] == ["ada", "group:staff"]
    assert set(users_with(topic, right)) == {ada, member}
    # A user and a group are both called so: the user is meant, unless the group is said.
    both = run("dasf_topic", "topic", "--json", option, "group:ada")
    assert both.data[shown] == ["ada", "group:ada", "group:staff"]


def test_rights_of_others_are_taken(topic: BrokerTopic, consumer: User, producer: User) -> None:
    """Afterwards those who are named hold them, and nobody else; managers stay."""
    grant(producer, topic, Right.CHANGE)
    grant(Group.objects.create(name="staff"), topic, Right.CONSUME, Right.VIEW_STATUS)
    grant(get_anonymous_user(), topic, Right.PRODUCE)
    options = ("--remove-permissions", "--consumer", "consumer", "--producer", "group:staff")
    shown = run("dasf_topic", "topic", "--json", *options).data
    assert shown["consumers"] == ["consumer"]
    assert shown["producers"] == ["group:staff"]
    assert shown["statusViewers"] == []
    assert producer.has_perm("dasf_broker.change_brokertopic", topic)


@pytest.mark.django_db
def test_missing_users_are_made() -> None:
    """Without a password, and only if that is wanted."""
    refused = run("dasf_topic", "new", "--consumer", "ada")
    assert refused.code == 1
    assert "--create-users" in refused.err
    assert not BrokerTopic.objects.exists()
    made = run("dasf_topic", "new", "--json", "--consumer", "ada", "--create-users")
    assert made.data["consumers"] == ["ada"]
    assert "dasf_token ada" in made.err
    ada = User.objects.get(username="ada")
    assert not ada.has_usable_password()
    assert not ada.is_superuser


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no slug", "--create"], "BAD_INPUT"),
        (["topic", "--consumer", "group:none"], "There is no group 'none'"),
        (["topic", "--store-messages", "always"], "invalid choice"),
        (["topic", "--retention-age", "a week"], "neither a number nor `none`"),
        (["topic", "--retention-count", "0"], "BAD_INPUT"),
        (["topic", "--dasf", "--user", "nobody"], "There is no active user 'nobody'"),
        (["topic", "--public", "--user", "consumer"], "FORBIDDEN"),
        (["topic", "--public", "--user", "stranger"], "NOT_FOUND"),
        (["other", "--create", "--user", "stranger"], "FORBIDDEN"),
    ],
)
def test_refusals(
    arguments: list[str], told: str, topic: BrokerTopic, consumer: User, stranger: User
) -> None:
    """They are told, and nothing is changed."""
    ran = run("dasf_topic", *arguments, "--view-status", "stranger")
    assert ran.code == 1
    assert told in ran.err
    assert [each.slug for each in BrokerTopic.objects.all()] == ["topic"]
    assert not BrokerTopic.objects.filter(is_public=True).exists()
    assert not topic.status_viewers.exists()


def test_somebody_in_person(topic: BrokerTopic, manager: User) -> None:
    """With the rights that they have."""
    ran = run("dasf_topic", "topic", "--public", "--user", "manager", "--json")
    assert ran.data["isPublic"]


@pytest.mark.django_db
def test_nobody_in_person_owns_what_they_create() -> None:
    """Who sits at the terminal is no row, and gets none."""
    before = set(User.objects.all())
    assert run("dasf_topic", "new", "--create").code == 0
    assert set(User.objects.all()) == before
    assert not BrokerTopic.objects.get().producers.exists()
