"""The chores: ping what is due, collect garbage, expire tokens, and settle messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from pytest_django import Settings

from dasf_broker.auth import create_token
from dasf_broker.domain.events import TopicDeleted, TopicPinged
from dasf_broker.models import ApiToken, BrokerTopic, ResponseTopic
from dasf_broker.operations.storage import settlement
from dasf_broker.operations.upkeep import pings, response_topics, schedule, tokens
from dasf_broker.operations.upkeep.schedule import Report
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import ack, housekeeping_round, queries, send, stored

NOW = timezone.now()
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({}, True),
        ({"last_ping": NOW - MINUTE}, True),
        ({"last_ping": NOW - timedelta(seconds=30)}, False),
        ({"supports_dasf": False}, False),
        ({"supports_dasf": False, "last_ping": NOW - MINUTE}, False),
    ],
)
def test_who_is_pinged(
    fields: dict[str, Any],
    is_due: bool,
    make_topic: MakeTopic,
    announced: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    """Topics that support pings and were not pinged for a minute."""
    topic = make_topic(**({"supports_dasf": True} | fields))
    with django_capture_on_commit_callbacks(execute=True):
        assert sum(pings.ping_due(NOW)) == is_due
    topic.refresh_from_db()
    assert (topic.last_ping not in (None, fields.get("last_ping"))) == is_due
    assert any(isinstance(each, TopicPinged) for each in announced) == is_due


def test_response_topics_are_not_pinged(topic: BrokerTopic) -> None:
    """Nobody asks for the status of answers."""
    BrokerTopic.objects.update(last_ping=NOW)
    ResponseTopic.objects.create(slug="answers", is_response_for=topic, supports_dasf=True)
    assert sum(pings.ping_due(NOW)) == 0


def test_all_due_topics_are_pinged_once(
    make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step, and each once, whatever the clock says meanwhile."""
    monkeypatch.setattr(pings, "STEP", 2)
    for number in range(5):
        make_topic(f"topic-{number}", supports_dasf=True)
    later = timezone.now() + timedelta(days=1)
    assert [report.pinged for report in schedule.steps(later) if report.pinged] == [2, 2, 1]


def test_topics_are_pinged_together(make_topic: MakeTopic) -> None:
    """As many queries for ten as for one."""

    def ping() -> None:
        BrokerTopic.objects.update(last_ping=None)
        assert sum(pings.ping_due(NOW)) == BrokerTopic.objects.count()

    make_topic("topic-0")
    before = queries(ping)
    for number in range(1, 10):
        make_topic(f"topic-{number}")
    assert queries(ping) == before


def test_silent_topics_take_turns(make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of them never delay those that answer; the one that waited longest is the first."""
    monkeypatch.setattr(pings, "SILENT", 2)
    long_ago, lately = NOW - 5 * MINUTE, NOW - MINUTE
    for slug, pinged, ponged in (
        ("answering", lately, NOW),
        ("silent", long_ago, None),
        ("stopped", lately, long_ago),
        ("new", None, None),
    ):
        make_topic(slug, supports_dasf=True, last_ping=pinged, last_pong=ponged)
    assert pings.count_due(NOW) == 3
    assert _pinged_by_a_round() == {"answering", "new", "silent"}
    BrokerTopic.objects.exclude(slug="stopped").update(last_ping=lately, last_pong=NOW)
    assert _pinged_by_a_round() == {"answering", "new", "silent", "stopped"}


@pytest.mark.parametrize(
    ("due", "is_removed"), [(-MINUTE, True), (timedelta(0), True), (MINUTE, False), (None, False)]
)
def test_garbage_is_collected_when_due(
    due: timedelta | None,
    is_removed: bool,
    topic: BrokerTopic,
    announced: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    """Not before its time, and never without a mark; its subscribers are told."""
    moment = None if due is None else NOW + due
    answers = ResponseTopic.objects.create(
        slug="answers", is_response_for=topic, garbage_collect_on=moment
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert sum(response_topics.remove_due(NOW)) == is_removed
    assert ResponseTopic.objects.exists() != is_removed
    told = [TopicDeleted(topic_id=answers.pk, topic_slug="answers")] if is_removed else []
    assert announced == told


def test_garbage_with_outstanding_messages_stays(topic: BrokerTopic, producer: User) -> None:
    """Until somebody has acknowledged them."""
    consumer = _with_answers(topic)
    message = send(producer, "answers", message_type="response").message
    BrokerTopic.objects.update(garbage_collect_on=NOW)
    assert sum(response_topics.remove_due(NOW)) == 0
    ack(consumer, message.message_id, "answers")
    assert sum(response_topics.remove_due(NOW)) == 1


@pytest.mark.parametrize(("hours", "is_removed"), [(23, False), (25, True)])
@pytest.mark.parametrize("acknowledged", [0, 1])
def test_answers_are_not_waited_for_for_ever(
    hours: int, is_removed: bool, acknowledged: int, topic: BrokerTopic, producer: User
) -> None:
    """What nobody took for a day, nobody is going to take."""
    consumer = _with_answers(topic)
    ids = [send(producer, "answers", message_type="response").message.message_id for _ in range(2)]
    for each in ids[:acknowledged]:
        ack(consumer, each, "answers")
    BrokerTopic.objects.update(garbage_collect_on=NOW)
    later = timezone.now() + timedelta(hours=hours)
    assert sum(response_topics.remove_due(later)) == is_removed


def test_other_topics_are_no_garbage(topic: BrokerTopic) -> None:
    """A mark on a topic that is none for answers means nothing."""
    BrokerTopic.objects.update(garbage_collect_on=NOW)
    assert sum(response_topics.remove_due(NOW)) == 0
    assert BrokerTopic.objects.filter(pk=topic.pk).exists()


def test_garbage_among_some_topics(topic: BrokerTopic) -> None:
    """Who names topics leaves the others alone."""
    for slug in ("one", "two"):
        ResponseTopic.objects.create(slug=slug, is_response_for=topic, garbage_collect_on=NOW)
    named = BrokerTopic.objects.filter(slug="one")
    assert sum(response_topics.remove_due(NOW, named)) == 1
    assert ResponseTopic.objects.get().slug == "two"


@pytest.mark.parametrize("field", ["expires", "revoked"])
@pytest.mark.parametrize(
    ("days", "is_removed"), [(31, True), (30, True), (29, False), (-1, False), (None, False)]
)
def test_tokens_expire(stranger: User, field: str, days: int | None, is_removed: bool) -> None:
    """A month after they stopped letting anybody in."""
    token, _ = create_token(stranger)
    if days is not None:
        ApiToken.objects.update(**{field: NOW - timedelta(days=days)})
    assert tokens.remove_unusable(NOW) == is_removed
    assert ApiToken.objects.filter(pk=token.pk).exists() != is_removed


def test_messages_are_settled_when_a_member_leaves(
    topic: BrokerTopic, producer: User, consumer: User, make_user: MakeUser
) -> None:
    """Who left a group owes nothing more; nobody told the broker."""
    BrokerTopic.objects.update(store_messages="cacheall")
    group = Group.objects.create(name="readers")
    grant(group, topic, Right.CONSUME)
    make_user("member").groups.add(group)
    acknowledged, waiting = send(producer).message, send(producer).message
    ack(consumer, acknowledged.message_id)
    assert sum(settlement.settle_all()) == 0
    User.objects.get(username="member").groups.clear()
    assert sum(settlement.settle_all()) == 1
    assert stored(topic) == [waiting.message_id]


@pytest.mark.parametrize(
    ("policy", "server", "removed"),
    [(None, "cacheall", 3), ("cacheall", "store", 3), (None, "store", 0), ("store", "cacheall", 0)],
)
def test_the_rule_that_holds_decides(
    policy: str | None,
    server: str,
    removed: int,
    settings: Settings,
    topic: BrokerTopic,
    producer: User,
    consumer: User,
    make_user: MakeUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The topic's own or the server's; in steps, however many there are."""
    monkeypatch.setattr(settlement, "STEP", 2)
    settings.DASF_STORE_MESSAGES = server
    BrokerTopic.objects.update(store_messages=policy)
    leaver = make_user("leaver", topic, Right.CONSUME)
    for _ in range(3):
        ack(consumer, send(producer).message.message_id)
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    assert sum(settlement.settle_all()) == removed
    assert len(stored(topic)) == 3 - removed


def test_a_round_does_everything(topic: BrokerTopic, stranger: User) -> None:
    """And says how much of each; the second time nothing is left to do."""
    ResponseTopic.objects.create(slug="answers", is_response_for=topic, garbage_collect_on=NOW)
    create_token(stranger, expires=NOW - timedelta(days=40))
    assert housekeeping_round() == Report(pinged=1, collected=1, expired=1)
    assert housekeeping_round() == Report()


def test_topics_that_need_nothing_cost_nothing(make_topic: MakeTopic) -> None:
    """The number of queries does not grow with them."""
    before = queries(housekeeping_round)
    for number in range(50):
        make_topic(f"topic-{number}", store_messages="cacheall", supports_dasf=False)
    assert queries(housekeeping_round) == before


def _pinged_by_a_round() -> set[str]:
    before = timezone.now()
    assert sum(pings.ping_due(NOW)) > 0
    return set(BrokerTopic.objects.filter(last_ping__gte=before).values_list("slug", flat=True))


def _with_answers(topic: BrokerTopic) -> User:
    """Make a response topic that a new user consumes and everybody may publish to."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=topic, is_public=True)
    user = User.objects.create_user("requester")
    grant(user, answers, Right.CONSUME)
    return user
