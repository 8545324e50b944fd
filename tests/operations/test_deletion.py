"""Topics are hidden at once, and removed in steps; whatever deletes them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection
from django.db.models.signals import post_delete, pre_delete
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from dasf_broker import primary
from dasf_broker.domain.events import Event, TopicDeleted
from dasf_broker.domain.slugs import is_slug
from dasf_broker.exceptions import BrokerError, NotFoundError
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicQuerySet,
    BrokerTopicUserPermission,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations import acknowledge, topics
from dasf_broker.operations.access import AccessTable, access, access_by_id
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import list_topics
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.storage import deletion
from dasf_broker.operations.storage.deletion import remove_deleted
from dasf_broker.operations.subscriptions.hub_access import heads, missing_page, stored_messages
from dasf_broker.operations.topics import (
    TopicOptions,
    create_topic,
    delete_topic,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.operations.upkeep import response_topics, schedule
from dasf_broker.operations.upkeep.schedule import begin
from dasf_broker.permissions import CREATOR_RIGHTS, Right, grant
from tests.conftest import MakeTopic
from tests.operations.helpers import ack, housekeeping_round, send, send_many

pytestmark = pytest.mark.django_db

#: What there is of a topic, the rows of topics last.
TABLES = (
    Acknowledgement,
    ResponseTopic.source_messages.through,
    BrokerMessage,
    RememberedMessage,
    BrokerTopicUserPermission,
    BrokerTopicGroupPermission,
    ResponseTopic,
    BrokerTopic,
)
MESSAGES, STEP = 30, 7


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is removed in one transaction be less than a topic has."""
    monkeypatch.setattr(deletion, "STEP", STEP)


@pytest.fixture
def full(topic: BrokerTopic, superuser: User, small_steps: None, settings: Settings) -> BrokerTopic:
    """Return a topic with more rows than one step, in all tables."""
    BrokerTopic.objects.update(store_messages="store")
    people = [User.objects.create_user(f"user-{number}") for number in range(10)]
    for each in people:
        grant(each, topic, Right.CONSUME)
    grant(Group.objects.create(name="group"), topic, Right.CONSUME)
    ids = send_many(superuser, MESSAGES)
    for each in people[:2]:
        for message_id in ids:
            ack(each, message_id)
    for number in range(3):
        send(superuser, response_topic=f"topic_{number}")
        send(superuser, f"topic_{number}", message_type="response")
    for number in range(10):
        RememberedMessage.objects.create(
            topic=topic,
            message_id=uuid4(),
            sequence=number,
            date_created=timezone.now(),
            forget_on=timezone.now() + timedelta(days=1),
        )
    settings.DASF_CREATE_TOPIC_ON_MESSAGE = False
    return topic


def by_operation(topic: BrokerTopic, superuser: User) -> None:
    """As the API, and each page of the admin."""
    delete_topic(Caller(superuser), topic.slug)


def by_instance(topic: BrokerTopic, superuser: User) -> None:
    """As a host."""
    topic.delete()


def by_queryset(topic: BrokerTopic, superuser: User) -> None:
    """As a host, too."""
    BrokerTopic.objects.filter(slug__startswith="topic").delete()


def by_admin(topic: BrokerTopic, superuser: User) -> None:
    """As the action for selected topics."""
    request = RequestFactory().post("/")
    request.user = superuser
    site.get_model_admin(BrokerTopic).delete_queryset(request, BrokerTopic.objects.all())


WAYS = [by_operation, by_instance, by_queryset, by_admin]


@pytest.mark.parametrize("delete", WAYS)
def test_hidden_at_once_and_removed_in_steps(
    delete: Callable[[BrokerTopic, User], None],
    full: BrokerTopic,
    superuser: User,
    announced: list[Event],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """All ways do the same: subscribers are told, the slug is free, and each step is small."""
    gone = {each.pk: each.slug for each in BrokerTopic.objects.all()}
    before, most = counts(), STEP + 2  # and the row of the topic, in two tables
    assert all(before.values())
    with django_capture_on_commit_callbacks(execute=True):
        delete(BrokerTopic.objects.get(slug="topic"), superuser)
    told = [event for event in announced if isinstance(event, TopicDeleted)]
    assert sorted(told, key=lambda event: event.topic_id) == [
        TopicDeleted(topic_id=pk, topic_slug=slug) for pk, slug in sorted(gone.items())
    ]
    assert_nobody_finds(gone, superuser)
    assert total(before) - total(counts()) <= most
    create_topic(Caller(superuser), "topic", TopicOptions())
    position = total(counts())
    for removed in remove_deleted():
        assert removed == position - total(counts()) <= most
        position -= removed
    assert access(Caller(superuser), "topic").topic.last_sequence == 0
    # Of the new topic: its row, and the rights of its creator.
    assert total(counts()) == 1 + len(CREATOR_RIGHTS)


def test_the_housekeeping_goes_on_after_a_crash(full: BrokerTopic) -> None:
    """In the middle of it: what was removed stays removed."""
    full.delete()
    left = total(counts())
    left -= sum(islice(remove_deleted(), 3))
    assert total(counts()) == left
    assert housekeeping_round().deleted == left
    assert total(counts()) == 0


def test_a_round_of_a_process_does_it(full: BrokerTopic) -> None:
    """Step by step, so that other writes have their turn."""
    full.delete()
    work = begin("me")
    assert work is not None
    steps = [report.deleted for report in work if report.deleted]
    assert len(steps) > MESSAGES / STEP
    assert total(counts()) == 0


def test_a_round_ends_in_time(full: BrokerTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next one pings in time; the rest is left to it."""
    monkeypatch.setattr(schedule, "DELETING", 0)
    full.delete()
    assert 0 < housekeeping_round().deleted <= STEP
    assert total(counts()) > STEP


def test_what_is_little_is_removed_at_once(topic: BrokerTopic, superuser: User) -> None:
    """As if Django had done it; only a large topic leaves something for later."""
    send(superuser, response_topic="topic_answers")
    assert topic.delete() == (2, {"dasf_broker.BrokerTopic": 2})
    assert vars(topic)["id"] is None
    assert total(counts()) == 0


def test_a_message_with_very_many_acknowledgements(
    topic: BrokerTopic, superuser: User, small_steps: None
) -> None:
    """They are removed in steps as well."""
    BrokerTopic.objects.update(store_messages="store")
    message_id = send(superuser).message.message_id
    for number in range(4 * STEP):
        user = User.objects.create_user(f"user-{number}")
        grant(user, topic, Right.CONSUME)
        ack(user, message_id)
    topic.delete()
    assert Acknowledgement.objects.count() == 3 * STEP
    assert max(remove_deleted()) <= STEP + 1
    assert total(counts()) == 0


def test_response_topics_are_collected_in_steps(full: BrokerTopic, superuser: User) -> None:
    """What nobody needs any more is hidden, too."""
    answers = ResponseTopic.objects.get(slug="topic_0")
    for _ in range(2 * STEP):
        send(superuser, "topic_0", message_type="response")
    later = timezone.now() + timedelta(hours=25)
    assert sum(response_topics.remove_due(later, BrokerTopic.objects.filter(pk=answers.pk))) == 1
    assert not BrokerTopic.objects.filter(slug="topic_0").exists()
    assert BrokerMessage.objects.filter(topic=answers.pk).exists()
    assert sum(remove_deleted()) > STEP
    assert BrokerTopic.objects.count() == 3


def test_no_step_reads_or_locks_more_than_it_removes(full: BrokerTopic) -> None:
    """The number of queries of a step does not grow with the topic."""
    full.delete()
    steps = remove_deleted()
    found = []
    while True:
        with CaptureQueriesContext(connection) as captured:
            if next(steps, None) is None:
                break
        found.append(len(captured.captured_queries))
    assert max(found) <= 30


# --- a topic that is gone ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda caller: update_topic(caller, "topic", TopicOptions(is_public=True)),
        lambda caller: grant_permission(
            caller, "topic", Right.CONSUME, username="root", group=None
        ),
        lambda caller: revoke_permission(
            caller, "topic", Right.CONSUME, username="root", group=None
        ),
    ],
)
def test_a_change_of_a_topic_that_is_deleted_meanwhile(
    change: Callable[[Caller], Any],
    full: BrokerTopic,
    superuser: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After its rights were read: it is not found, and nothing is written."""

    def look_up_and_delete(caller: Caller, slug: str) -> Any:
        found = access(caller, slug)
        BrokerTopic.objects.all().delete()
        return found

    monkeypatch.setattr(topics, "access", look_up_and_delete)
    with pytest.raises(NotFoundError, match="'topic'"):
        change(Caller(superuser))
    sum(remove_deleted())
    assert total(counts()) == 0


def test_an_acknowledgement_in_a_topic_that_is_deleted_meanwhile(
    full: BrokerTopic, superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message does not exist any more."""
    message = BrokerMessage.objects.filter(topic=full)[0]

    class Table(AccessTable):
        def get(self, caller: Caller, slug: str) -> Any:
            found = super().get(caller, slug)
            BrokerTopic.objects.all().delete()
            return found

    monkeypatch.setattr(acknowledge, "AccessTable", Table)
    assert ack(superuser, message.message_id).status == "UNKNOWN"


def test_saving_brings_no_topic_back(full: BrokerTopic) -> None:
    """That another process deleted after it was loaded; nor does reading it again."""
    loaded = BrokerTopic.objects.get(slug="topic")
    answers = ResponseTopic.objects.all()[0]
    full.delete()
    for each in (loaded, answers):
        with pytest.raises(type(each).DoesNotExist):
            each.refresh_from_db()
    loaded = BrokerTopic(pk=loaded.pk, slug="topic")
    loaded._state.adding = False
    with pytest.raises(IntegrityError), primary.atomic():
        loaded.save()
    assert not BrokerTopic.objects.exists()


def test_a_topic_that_was_never_saved() -> None:
    """It cannot be deleted, as everywhere in Django."""
    with pytest.raises(ValueError, match="never saved"):
        BrokerTopic(slug="new").delete()


def test_as_much_as_a_queryset_of_django(make_topic: MakeTopic) -> None:
    """What it refuses, ours refuses; a manager has no such method."""
    make_topic("one")
    with pytest.raises(TypeError):
        BrokerTopic.objects.all()[:1].delete()
    with pytest.raises(TypeError):
        BrokerTopic.objects.values("pk").delete()
    assert not hasattr(BrokerTopic.objects, "delete")
    assert BrokerTopic.objects.all().delete() == (1, {"dasf_broker.BrokerTopic": 1})
    assert BrokerTopic.objects.all().delete()[0] == 0


def test_a_host_is_told_by_signals(full: BrokerTopic) -> None:
    """Once for each topic, as it was before it was hidden, when it is deleted."""
    heard: list[tuple[str, str]] = []

    def hear(sender: Any, instance: BrokerTopic, signal: Any, **_: Any) -> None:
        kind = "before" if signal is pre_delete else "after"
        heard.append((kind, instance.slug))

    for signal in (pre_delete, post_delete):
        signal.connect(hear, sender=BrokerTopic)
    try:
        full.delete()
        expected = [
            (kind, slug)
            for kind in ("after", "before")
            for slug in ("topic", "topic_0", "topic_1", "topic_2")
        ]
        assert sorted(heard) == expected
        sum(remove_deleted())
        assert sorted(heard) == expected
    finally:
        for signal in (pre_delete, post_delete):
            signal.disconnect(hear, sender=BrokerTopic)


# --- helpers ----------------------------------------------------------------------------------


def counts() -> dict[str, int]:
    """Return how many rows there are of each table, hidden ones counted."""
    return {model.__name__: model._base_manager.count() for model in TABLES}


def total(rows: dict[str, int]) -> int:
    """Return their sum; a response topic has a row in two tables."""
    return sum(rows.values())


def assert_nobody_finds(gone: dict[int, str], superuser: User) -> None:
    """Check that the topics are in no list and under no name, and take nothing."""
    caller = Caller(superuser)
    assert not BrokerTopic.objects.filter(pk__in=gone).exists()
    assert not ResponseTopic.objects.exists()
    assert list_topics(caller, PageRequest(first=10)).items == []
    assert heads(gone.keys()) == {}
    for pk, slug in gone.items():
        hidden = BrokerTopicQuerySet(BrokerTopic).filter(pk=pk).first()
        names: Collection[str] = [slug]
        if hidden is not None:
            names = [slug, hidden.slug]
            assert not is_slug(hidden.slug)
            assert missing_page(stored_messages(pk)).messages == []
        for name in names:
            with pytest.raises(BrokerError):
                access(caller, name)
            with pytest.raises(BrokerError):
                send(superuser, name)
        with pytest.raises(NotFoundError):
            access_by_id(caller, pk)
