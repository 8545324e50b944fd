"""The storage rule as a whole: any history of a topic, against the table of the design.

A machine of Hypothesis publishes, retries, acknowledges, grants, revokes, changes the policy,
purges, applies retention and forgets, in any order, on the real database. After each step it
compares what is stored, to whom it is outstanding, who acknowledged it, what is remembered and
which cursors expired with a model that is written from the table and the promises alone.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as HypothesisSettings  # noqa: N812 - a class
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, RememberedMessage
from dasf_broker.operations.acknowledge import (
    Acknowledging,
    acknowledge_batch,
    count_fresh,
    outstanding_up_to,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.storage.deduplication import forget_due
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.operations.topics import (
    TopicOptions,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.operations.upkeep import retention
from dasf_broker.permissions import Right
from tests.operations.helpers import codes, publication, rolled_back
from tests.operations.storage_model import GROUP, LIMIT, MEMBERS, PEOPLE, Model


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

    @rule(target=published, count=st.integers(1, LIMIT))
    def publish(self, count: int) -> object:
        """Publish a batch: as much of it as there is room for."""
        batch = [publication(self.root, text="a") for _ in range(count)]
        ids = [each.envelope.message_id for each in batch]
        expected = [self.model.publish(each, "a") for each in ids]
        assert codes(publish_batch(batch)) == expected
        return multiple(*ids)

    @rule(
        target=published,
        again=st.lists(consumes(published), min_size=1, max_size=2),
        text=st.sampled_from("ab"),
    )
    def publish_again(self, again: list[UUID], text: str) -> object:
        """Publish under ids that were used before: each is there once at most, also when gone."""
        batch = [publication(self.root, message_id=each, text=text) for each in again]
        expected = [self.model.publish(each, text) for each in again]
        outcomes = publish_batch(batch)
        assert codes(outcomes) == expected
        for each, outcome in zip(again, outcomes, strict=True):
            if isinstance(outcome, Published) and outcome.status is not PublishStatus.SENT:
                assert outcome.message.sequence == self.model.known[each][0]
        return multiple(*again)

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
        cursor = message_cursor(self.topic.pk, row.sequence, self.topic.epoch)
        page = outstanding_up_to(Caller(self.users[name]), "topic", cursor, 0)
        assert count_fresh(acknowledge_batch([item for _, item in page])) == expected
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
        self.model.change_policy(policy.value)
        self.model.settle()

    @rule()
    def purge(self) -> None:
        """Throw everything away."""
        assert purge_messages([self.topic]) == len(self.model.messages)
        self.model.remove_oldest(len(self.model.messages))

    @precondition(lambda self: len(self.model.messages) > 1)
    @rule(count=st.none() | st.integers(1, LIMIT), old=st.sets(st.integers(0, LIMIT - 1)))
    def retire(self, count: int | None, old: set[int]) -> None:
        """Remove what is too much, and what is old and lies before what is not."""
        now, stored = timezone.now(), list(self.model.messages)
        ids = [each for index, each in enumerate(stored) if index in old]
        rows = BrokerMessage.objects.filter(message_id__in=ids)
        rows.update(date_created=now - timedelta(hours=2))
        limits = TopicOptions(retention_age=3600, retention_count=count or "")
        update_topic(self.root, "topic", limits)
        too_old = next((index for index in range(len(stored)) if index not in old), len(stored))
        too_many = 0 if count is None else max(len(stored) - count, 0)
        assert sum(retention.remove_due(now)) == max(too_old, too_many)
        self.model.remove_oldest(max(too_old, too_many))
        rows.update(date_created=now)

    @rule(hours=st.sampled_from([23, 25]))
    def forget(self, hours: int) -> None:
        """Forget the ids whose time is over: a day after their message was removed."""
        forgotten = sum(forget_due(timezone.now() + timedelta(hours=hours)))
        assert forgotten == (0 if hours < 24 else len(self.model.remembered))
        if forgotten:
            self.model.forget()

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
    def the_promises_hold(self) -> None:
        """Compare what is remembered, and where cursors end."""
        gone = RememberedMessage.objects.values_list("message_id", flat=True)
        assert set(gone) == self.model.remembered
        topic = BrokerTopic.objects.get()
        assert topic.last_sequence == self.model.last_sequence
        assert topic.expired_sequence == self.model.expired_sequence

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
def test_the_table_holds_in_any_history(settings: Settings) -> None:
    """Let the machine look for a history that breaks it. `make test-slow` lets it look longer."""
    look_for_a_history(settings, examples=20)


def look_for_a_history(settings: Settings, *, examples: int) -> None:
    """Let the machine try so many histories."""
    settings.DASF_MAX_BACKLOG = LIMIT
    run_state_machine_as_test(
        StorageMachine,
        settings=HypothesisSettings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def named(holder: str) -> dict[str, str | None]:
    """Return the holder as the operations take one."""
    if holder == GROUP:
        return {"username": None, "group": holder}
    return {"username": holder, "group": None}
