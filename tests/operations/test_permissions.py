"""Who may do what: the three questions agree with each other, whoever holds what how."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest
from django.contrib.auth.models import Group, Permission, User
from hypothesis import given, settings
from hypothesis import strategies as st

from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.access import AccessTable
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import (
    Right,
    consumers_by_topic,
    grant,
    holder_names,
    holds_globally,
    revoke,
    rights_on,
    rights_table,
    topics_visible_to,
    users_with,
)
from tests.conftest import MakeTopic, MakeUser
from tests.operations.conftest import GrantGlobally
from tests.operations.helpers import queries, rolled_back

PEOPLE = ("ann", "bob", "idle", "root")
TOPICS = ("source", "answers", "other", "open")
#: Who may hold a right: a user, or a group that ann and the inactive user are members of.
HOLDERS = ("ann", "bob", "idle", "root", "group")
MEMBERS = ("ann", "idle")
HELD = st.frozensets(
    st.tuples(
        st.sampled_from(HOLDERS),
        st.sampled_from([*TOPICS, "everywhere"]),
        st.sampled_from([*Right]),
    ),
    max_size=8,
)


@dataclass
class World:
    """A small world of users, a group and topics, in which somebody holds something."""

    users: dict[str, User] = field(default_factory=dict)
    topics: dict[str, BrokerTopic] = field(default_factory=dict)

    @classmethod
    def create(cls, held: frozenset[tuple[str, str, Right]]) -> World:
        """Write it to the database."""
        world = cls()
        world.users = {name: User.objects.create_user(name) for name in PEOPLE}
        User.objects.filter(username="root").update(is_superuser=True)
        User.objects.filter(username="idle").update(is_active=False)
        for user in world.users.values():
            user.refresh_from_db()
        group = Group.objects.create(name="group")
        group.user_set.set([world.users[name] for name in MEMBERS])
        source = BrokerTopic.objects.create(slug="source")
        ResponseTopic.objects.create(slug="answers", is_response_for=source)
        BrokerTopic.objects.create(slug="other")
        BrokerTopic.objects.create(slug="open", is_public=True)
        loaded = BrokerTopic.objects.with_response_info()
        world.topics = {topic.slug: topic for topic in loaded}
        for holder, topic, right in held:
            who = group if holder == "group" else world.users[holder]
            if topic == "everywhere":
                give_globally(who, right)
            else:
                grant(who, world.topics[topic], right)
        return world


def expected(held: frozenset[tuple[str, str, Right]], name: str, topic: str) -> set[Right]:
    """Return what an ordinary user holds on a topic, by the book."""
    if name == "idle":
        return set()
    holders = {name, "group"} if name in MEMBERS else {name}

    def on(slug: str) -> set[Right]:
        return {
            right for who, what, right in held if who in holders and what in (slug, "everywhere")
        }

    own = on(topic)
    if topic == "answers" and Right.CONSUME in on("source"):
        own.add(Right.PRODUCE)
    return own


@pytest.mark.django_db
@settings(max_examples=25)
@given(held=HELD)
def test_all_questions_have_the_same_answer(held: frozenset[tuple[str, str, Right]]) -> None:
    """One table for many, one user and topic alone, which topics, and which users."""
    with rolled_back():
        world = World.create(held)
        table = rights_table(world.users.values(), world.topics.values())
        for name, slug in product(PEOPLE, TOPICS):
            user, topic = world.users[name], world.topics[slug]
            answer = table[user.pk, topic.pk]
            assert rights_on(user, topic) == answer
            if name == "root":
                assert all(answer.has(right) for right in Right)
            else:
                assert set(answer.held) == expected(held, name, slug)
        for user in world.users.values():
            visible = {pk for slug, pk in named(world) if table[user.pk, pk].is_visible}
            assert set(topics_visible_to(user).values_list("pk", flat=True)) == visible
        consumers = consumers_by_topic([*world.topics.values()])
        names = holder_names([*product(world.topics.values(), Right)])
        for topic in world.topics.values():
            for right in Right:
                holders = {
                    user.pk
                    for name, user in world.users.items()
                    if name != "root" and right in table[user.pk, topic.pk].held
                }
                assert set(users_with(topic, right).values_list("pk", flat=True)) == holders
                assert names[topic, right] == {
                    name for name, user in world.users.items() if user.pk in holders
                }
                if right is Right.CONSUME:
                    assert consumers[topic.pk] == holders


@pytest.mark.django_db
@settings(max_examples=25)
@given(held=HELD)
def test_global_rights(held: frozenset[tuple[str, str, Right]]) -> None:
    """Held by the user or a group; an object's right does not count."""
    with rolled_back():
        world = World.create(held)
        for name, right in product(PEOPLE, Right):
            holders = {name, "group"} if name in MEMBERS else {name}
            own = any((who, "everywhere", right) in held for who in holders)
            assert holds_globally(world.users[name], right) is (
                name == "root" or (own and name != "idle")
            )


@pytest.mark.parametrize(("people", "topics"), [(1, 1), (1, 10), (10, 1), (10, 10)])
def test_the_table_is_one_query(
    people: int, topics: int, make_user: MakeUser, make_topic: MakeTopic
) -> None:
    """For any number of users and topics; listing the visible topics does not grow either."""
    users = [make_user(f"user{number}") for number in range(people)]
    rows = [make_topic(f"topic{number}") for number in range(topics)]
    loaded = list(BrokerTopic.objects.with_response_info())
    grant(users[0], rows[0], *Right)
    rights_table(users, loaded)
    assert queries(lambda: rights_table(users, loaded)) == 1
    assert queries(lambda: consumers_by_topic(loaded)) == 1
    assert queries(lambda: holder_names([*product(loaded, Right)])) == 1


def test_nobody_asks_for_nothing(topic: BrokerTopic, consumer: User) -> None:
    """No query where no row can be held."""
    topic = BrokerTopic.objects.with_response_info().get()
    assert queries(lambda: rights_table([Caller.system().user], [topic])) == 0
    assert queries(lambda: rights_table([consumer], [])) == 0
    assert queries(lambda: AccessTable([])) == 0


@pytest.mark.parametrize("by_group", [True, False])
def test_granting_twice_and_revoking_twice(
    by_group: bool, topic: BrokerTopic, stranger: User
) -> None:
    """Neither is an error, and other rights and other topics are left alone."""
    group = Group.objects.create(name="group")
    stranger.groups.add(group)
    holder = group if by_group else stranger
    for _ in range(2):
        grant(holder, topic, Right.CONSUME, Right.PRODUCE)
    for _ in range(2):
        revoke(holder, topic, Right.CONSUME)
    assert rights_on(stranger, topic).held == {Right.PRODUCE}


def test_django_sees_the_same(
    topic: BrokerTopic, consumer: User, stranger: User, grant_globally: GrantGlobally
) -> None:
    """Hosts may ask Django and guardian instead."""
    assert consumer.has_perm("dasf_broker.can_consume", topic)
    assert not stranger.has_perm("dasf_broker.can_consume", topic)
    grant_globally(stranger, Right.CONSUME)
    assert User.objects.get(pk=stranger.pk).has_perm("dasf_broker.can_consume")


def give_globally(holder: User | Group, right: Right) -> None:
    """Give a user or a group a right on all topics."""
    permission = Permission.objects.get(codename=right, content_type__app_label="dasf_broker")
    rows = holder.permissions if isinstance(holder, Group) else holder.user_permissions
    rows.add(permission)


def named(world: World) -> list[tuple[str, int]]:
    """Return slug and primary key of each topic."""
    return [(slug, topic.pk) for slug, topic in world.topics.items()]
