"""The command `dasf_new_epoch`."""

from __future__ import annotations

import pytest

from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage import epochs
from dasf_broker.operations.storage.epochs import begin_epochs
from tests.conftest import MakeTopic
from tests.doors.commands import run


@pytest.fixture
def topics(make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch) -> list[BrokerTopic]:
    """Return three topics; one has the epoch of an older release."""
    monkeypatch.setattr(epochs, "STEP", 2)
    made = [make_topic(f"topic-{number}") for number in range(3)]
    BrokerTopic.objects.filter(pk=made[0].pk).update(epoch=0)
    return [*BrokerTopic.objects.order_by("pk")]


def test_all_topics(topics: list[BrokerTopic]) -> None:
    """Each begins a later epoch than it had."""
    ran = run("dasf_new_epoch")
    assert (ran.code, ran.err) == (0, "")
    assert "3 topics began a new epoch" in ran.out
    for before, after in zip(topics, BrokerTopic.objects.order_by("pk"), strict=True):
        assert after.epoch > before.epoch
        assert after.last_sequence == before.last_sequence


def test_named_topics(topics: list[BrokerTopic]) -> None:
    """The others stay as they are."""
    assert run("dasf_new_epoch", "topic-2", "topic-0", "--json").data == {"topics": 2}
    now = {topic.slug: topic.epoch for topic in BrokerTopic.objects.all()}
    changed = {topic.slug for topic in topics if now[topic.slug] != topic.epoch}
    assert changed == {"topic-0", "topic-2"}


def test_a_topic_that_does_not_exist(topics: list[BrokerTopic]) -> None:
    """Nothing is changed."""
    ran = run("dasf_new_epoch", "topic-0", "nowhere")
    assert ran.code == 1
    assert "nowhere" in ran.err
    assert [topic.epoch for topic in BrokerTopic.objects.order_by("pk")] == [
        topic.epoch for topic in topics
    ]


def test_an_epoch_that_began_meanwhile_stays(topics: list[BrokerTopic]) -> None:
    """Two servers that find the same do it once."""
    seen = {topic.pk: topic.epoch for topic in topics}
    assert begin_epochs(seen) == 3
    now = [*BrokerTopic.objects.order_by("pk").values_list("epoch", flat=True)]
    assert begin_epochs(seen) == 0
    assert [*BrokerTopic.objects.order_by("pk").values_list("epoch", flat=True)] == now
