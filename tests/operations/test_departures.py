"""Last consumers go: their topics are pinged, or marked for removal, many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dasf_broker.models import BrokerTopic, ResponseTopic
from dasf_broker.operations.storage.response_topics import keep_listened
from dasf_broker.operations.subscriptions.consumers import GARBAGE_DELAY, note_last_departures
from dasf_broker.operations.upkeep import response_topics
from tests.conftest import MakeTopic
from tests.operations.helpers import queries

pytestmark = pytest.mark.django_db


def test_each_kind_of_topic(make_topic: MakeTopic) -> None:
    """Those that support DASF are pinged, response topics marked; a deleted one is let go."""
    source, plain = make_topic("source"), make_topic("plain", supports_dasf=False)
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=source)
    gone = make_topic("gone")
    keys = [source.pk, answers.pk, plain.pk, gone.pk, source.pk]
    gone.delete()
    before = timezone.now()
    assert note_last_departures(keys) == [None] * 5
    for topic in (source, answers, plain):
        topic.refresh_from_db()
    assert source.last_ping is not None
    assert source.last_ping >= before
    assert (answers.last_ping, plain.last_ping, source.garbage_collect_on) == (None, None, None)
    assert answers.garbage_collect_on >= before + GARBAGE_DELAY


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction(make_topic: MakeTopic) -> None:
    """As servers call it: PostgreSQL locks no rows without one."""
    answers = ResponseTopic.objects.create(slug="answers", is_response_for=make_topic("source"))
    note_last_departures([answers.pk])
    keep_listened([answers.pk])
    answers.refresh_from_db()
    assert answers.garbage_collect_on > timezone.now() + GARBAGE_DELAY
    assert sum(response_topics.remove_due(timezone.now() - timedelta(days=9))) == 0
    note_last_departures([answers.pk])
    assert sum(response_topics.remove_due(timezone.now() + 2 * GARBAGE_DELAY)) == 1


def test_many_cost_as_much_as_one(make_topic: MakeTopic) -> None:
    """Also when a network fails, and all sockets drop at once."""
    source = make_topic()

    def depart() -> None:
        note_last_departures(BrokerTopic.objects.values_list("pk", flat=True))

    ResponseTopic.objects.create(slug="answers", is_response_for=source)
    before = queries(depart)
    for number in range(10):
        make_topic(f"topic-{number}")
        ResponseTopic.objects.create(slug=f"answers-{number}", is_response_for=source)
    assert queries(depart) == before
