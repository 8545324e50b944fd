"""Migrations that do more than change tables."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command

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
        migration.fill(apps, None)
        assert list(rows) == expected


@pytest.mark.django_db(transaction=True)  # SQLite changes no tables inside of one
def test_topics_keep_whether_they_support_dasf(capsys: pytest.CaptureFixture[str]) -> None:
    """The new default is for new topics: no row is changed, and no table is written anew."""
    call_command("sqlmigrate", "dasf_broker", "0007")
    assert "-- (no-op)" in capsys.readouterr().out
