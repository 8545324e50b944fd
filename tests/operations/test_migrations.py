"""Migrations that do more than change tables."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dasf_broker.domain.sizes import json_size
from dasf_broker.models import BrokerMessage, BrokerTopic
from tests.operations.helpers import send, send_many


def test_stored_messages_get_their_fingerprints(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that publishing gives them, some at a time; doing it again changes nothing."""
    migration = import_module("dasf_broker.migrations.0004_fingerprints")
    monkeypatch.setattr(migration, "STEP", 2)
    send(producer, properties={"large": 3.9e16, "small": 1e-7, "b": [True, None], "a": "ä"})
    send_many(producer, 5)
    rows = BrokerMessage.objects.order_by("pk").values_list("pk", "fingerprint")
    expected = list(rows)
    BrokerMessage.objects.exclude(pk=expected[3][0]).update(fingerprint="")
    for _ in range(2):
        migration.fill(apps, SimpleNamespace(connection=connection))
        assert list(rows) == expected


@pytest.mark.django_db(transaction=True)  # SQLite changes no tables inside of one
def test_topics_keep_whether_they_support_dasf(capsys: pytest.CaptureFixture[str]) -> None:
    """The new default is for new topics: no row is changed, and no table is written anew."""
    call_command("sqlmigrate", "dasf_broker", "0007", database=connection.alias)
    assert "-- (no-op)" in capsys.readouterr().out


def test_stored_messages_and_topics_get_their_sizes(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that saving gives them, some at a time; doing it again changes nothing."""
    migration = import_module("dasf_broker.migrations.0009_fill_sizes")
    monkeypatch.setattr(migration, "STEP", 2)
    send(producer, text="x" * 5000, properties={"a": "ä"})
    send_many(producer, 5)
    BrokerTopic.objects.create(slug="described", api_info={"a": ["ä"] * 1000})
    BrokerTopic.objects.create(slug="other")
    expected = _sizes()
    assert None not in expected
    BrokerMessage.objects.exclude(sequence=3).update(size=None)
    BrokerTopic.objects.update(size=None)
    for _ in range(2):
        migration.fill(apps, SimpleNamespace(connection=connection))
        assert _sizes() == expected


def _sizes() -> list[int | None]:
    messages = BrokerMessage.objects.order_by("pk").values_list("size", flat=True)
    topics = BrokerTopic.objects.order_by("pk").values_list("size", flat=True)
    return [*messages, *topics]


@pytest.fixture
def _newest_afterwards() -> Iterator[None]:
    yield
    _migrate("dasf_broker", *_newest())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_newest_afterwards")
def test_sizes_come_and_go() -> None:
    """An old database gets them, a new one loses them, and messages stay what they were."""
    old = _migrate("dasf_broker", "0007_supports_dasf_by_default")
    topic = old.get_model("dasf_broker", "BrokerTopic").objects.create(slug="topic")
    contents = [{"properties": {"n": n}, "payload": "x" * n} for n in (0, 10_000)]
    for sequence, content in enumerate(contents, start=1):
        old.get_model("dasf_broker", "BrokerMessage").objects.create(
            topic=topic, sequence=sequence, message_id=uuid4(), content=content
        )
    for _ in range(2):
        _migrate("dasf_broker", *_newest())
        rows = BrokerMessage.objects.order_by("sequence")
        assert [(row.content, row.size) for row in rows] == [
            (content, json_size(content)) for content in contents
        ]
        assert BrokerTopic.objects.get().size == 0
        _migrate("dasf_broker", "0007_supports_dasf_by_default")


def _newest() -> list[str]:
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes("dasf_broker")
    return [name for _, name in leaves]


def _migrate(app: str, name: str) -> Any:
    executor = MigrationExecutor(connection)
    return executor.migrate([(app, name)]).apps


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["dasf_broker_brokermessage", "dasf_broker_brokertopic"])
def test_no_row_is_written_again_for_the_column(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is changed and not copied, which would take long and lock it."""
    call_command("sqlmigrate", "dasf_broker", "0008", database=connection.alias)
    said = capsys.readouterr().out
    assert f'ALTER TABLE "{table}" ADD COLUMN "size"' in said
    assert "CREATE TABLE" not in said
    assert "INSERT" not in said


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_newest_afterwards")
def test_topics_of_an_older_release_have_the_first_epoch() -> None:
    """Also those that its servers create during the upgrade: their cursors stay valid."""
    old = _migrate("dasf_broker", "0010_large_rows").get_model("dasf_broker", "BrokerTopic")
    old.objects.create(slug="before")
    new = _migrate("dasf_broker", "0011_topic_epoch").get_model("dasf_broker", "BrokerTopic")
    old.objects.create(slug="during")
    assert set(new.objects.values_list("slug", "epoch")) == {("before", 0), ("during", 0)}
