"""The storage rule as a whole: any history of a topic, against the table of the design.

A machine of Hypothesis publishes, acknowledges, grants, revokes and changes the policy, in any
order, on the real database. After each step it compares what is stored, to whom it is
outstanding and who acknowledged it with a model that is written from the table alone.
"""

from __future__ import annotations

from contextlib import ExitStack
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from dasf_broker.operations.acknowledge import (
    Acknowledging,
    acknowledge_batch,
    acknowledge_up_to,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.topics import (
    TopicOptions,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.permissions import Right
from tests.operations.helpers import codes, publication, rolled_back

#: Two of them are members of the group. The superuser may consume, but is nobody's consumer.
MEMBERS = frozenset({"bob", "cleo"})
PEOPLE = ("ann", "bob", "cleo", "root")
GROUP = "group"


class Model:
    """The table of the design, and nothing else."""

    def __init__(self) -> None:
        self.policy = "cache"
        self.holders: set[str] = set()
        #: What is stored, in order, each with who acknowledged it.
        self.messages: dict[UUID, set[str]] = {}

    @property
    def consumers(self) -> set[str]:
        """Who is waited for."""
        return (self.holders - {GROUP}) | (MEMBERS if GROUP in self.holders else set())

    def may_consume(self, name: str) -> bool:
        """Tell whether somebody may acknowledge."""
        return name == "root" or name in self.consumers

    def acknowledge(self, name: str, message_id: UUID) -> str:
        """Return what the acknowledgement is answered with; note it if it counts."""
        if not self.may_consume(name):
            return "FORBIDDEN"
        if message_id not in self.messages:
            return "UNKNOWN"
        if name in self.messages[message_id]:
            return "ALREADY_ACKNOWLEDGED"
        self.messages[message_id].add(name)
        return "ACKNOWLEDGED"

    def settle(self) -> None:
        """Remove what the table says is to be removed."""
        self.messages = {
            each: names for each, names in self.messages.items() if not self._is_settled(names)
        }

    def _is_settled(self, names: set[str]) -> bool:
        if self.policy == "store":
            return False
        if self.policy == "cacheall":
            return bool(self.consumers) and all(name in names for name in self.consumers)
        return bool(names)


class StorageMachine(RuleBasedStateMachine):
    """One topic and its history, undone at the end."""

    published = Bundle("published")

    def __init__(self) -> None:
        super().__init__()
        self._undo = ExitStack()
        self._undo.enter_context(rolled_back())
        self.model = Model()
        self.users = {name: User.objects.create_user(name) for name in PEOPLE}
        User.objects.filter(username="root").update(is_superuser=True)
        self.users["root"].refresh_from_db()
        group = Group.objects.create(name=GROUP)
        group.user_set.set([self.users[name] for name in MEMBERS])
        self.root = Caller(self.users["root"])
        # Public, so that everybody sees it and is told when something is forbidden.
        self.topic = BrokerTopic.objects.create(
            slug="topic", is_public=True, store_messages=self.model.policy
        )

    def teardown(self) -> None:
        """Undo everything."""
        self._undo.close()

    @rule(target=published, count=st.integers(1, 3))
    def publish(self, count: int) -> object:
        """Publish a batch."""
        batch = [publication(self.root) for _ in range(count)]
        stored = self.model.policy != "disabled"
        assert codes(publish_batch(batch)) == ["STORED" if stored else "SENT"] * count
        ids = [each.envelope.message_id for each in batch]
        if stored:
            self.model.messages |= {each: set() for each in ids}
        return multiple(*ids)

    @rule(target=published, again=consumes(published))
    def publish_again(self, again: UUID) -> UUID:
        """Publish a message under an id that was used before: it is there once at most."""
        batch = [publication(self.root, message_id=again)]
        if self.model.policy == "disabled":
            expected = "SENT"
        elif again in self.model.messages:
            expected = "DUPLICATE"
        else:
            expected = "STORED"
            self.model.messages[again] = set()
        assert codes(publish_batch(batch)) == [expected]
        return again

    @rule(name=st.sampled_from(PEOPLE), message_ids=st.lists(published, min_size=1, max_size=4))
    def acknowledge(self, name: str, message_ids: list[UUID]) -> None:
        """Acknowledge some messages, perhaps one of them twice."""
        caller = Caller(self.users[name])
        expected = [self.model.acknowledge(name, each) for each in message_ids]
        outcomes = acknowledge_batch([Acknowledging(caller, "topic", each) for each in message_ids])
        assert codes(outcomes) == expected
        before = set(self.model.messages)
        self.model.settle()
        for outcome, message_id in zip(outcomes, message_ids, strict=True):
            removed = message_id in before - set(self.model.messages)
            assert getattr(outcome, "removed", False) is removed

    @rule(name=st.sampled_from(PEOPLE), message_id=published)
    def acknowledge_up_to(self, name: str, message_id: UUID) -> None:
        """Acknowledge a message and all before it."""
        if message_id not in self.model.messages or not self.model.may_consume(name):
            return
        row = BrokerMessage.objects.get(message_id=message_id)
        ids = list(self.model.messages)
        part = ids[: ids.index(message_id) + 1]
        expected = [self.model.acknowledge(name, each) for each in part].count("ACKNOWLEDGED")
        cursor = message_cursor(self.topic.pk, row.sequence)
        assert acknowledge_up_to(Caller(self.users[name]), "topic", cursor) == expected
        self.model.settle()

    @rule(holder=st.sampled_from([*PEOPLE[:3], GROUP]))
    def grant(self, holder: str) -> None:
        """Give a user or the group the right to consume."""
        grant_permission(self.root, "topic", Right.CONSUME, **named(holder))
        self.model.holders.add(holder)
        self.model.settle()

    @rule(holder=st.sampled_from([*PEOPLE[:3], GROUP]))
    def revoke(self, holder: str) -> None:
        """Take the right, whether it is held or not."""
        revoke_permission(self.root, "topic", Right.CONSUME, **named(holder))
        self.model.holders.discard(holder)
        self.model.settle()

    @rule(policy=st.sampled_from(StoragePolicy))
    def change_policy(self, policy: StoragePolicy) -> None:
        """Let another rule hold from now on, for what is stored already too."""
        update_topic(self.root, "topic", TopicOptions(store_messages=policy))
        self.model.policy = policy.value
        self.model.settle()

    @invariant()
    def the_table_holds(self) -> None:
        """Compare what is stored, in order, and who acknowledged it."""
        rows = BrokerMessage.objects.order_by("sequence").values_list("message_id", flat=True)
        assert list(rows) == list(self.model.messages)
        delivered: dict[UUID, set[str]] = {each: set() for each in self.model.messages}
        for message_id, name in Acknowledgement.objects.values_list(
            "message__message_id", "user__username"
        ):
            delivered[message_id].add(name)
        assert delivered == self.model.messages

    @invariant()
    def the_right_people_are_waited_for(self) -> None:
        """Compare to whom a message is outstanding: whoever did not acknowledge it."""
        topic = BrokerTopic.objects.get()
        assert set(topic.consumers.values_list("username", flat=True)) == self.model.consumers
        for name in (*self.model.consumers, "root"):
            outstanding = topic.get_outstanding_messages(self.users[name])
            expected = [each for each, names in self.model.messages.items() if name not in names]
            assert list(outstanding.values_list("message_id", flat=True)) == expected


# When it fails, Hypothesis takes its time to find the shortest history.
@pytest.mark.timeout(600)
@pytest.mark.django_db
def test_the_table_holds_in_any_history() -> None:
    """Let the machine look for a history that breaks it."""
    run_state_machine_as_test(
        StorageMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def named(holder: str) -> dict[str, str | None]:
    """Return the holder as the operations take one."""
    if holder == GROUP:
        return {"username": None, "group": holder}
    return {"username": holder, "group": None}
