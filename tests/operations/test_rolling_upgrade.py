"""While servers are upgraded one after the other, old ones work with the tables of new ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from dasf_broker import migrations
from dasf_broker.domain.envelope import Envelope
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import list_messages, list_topics
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish_batch
from tests.operations.helpers import codes, housekeeping_round, publication, send

MIGRATIONS = sorted(path.stem for path in Path(migrations.__path__[0]).glob("[0-9]*.py"))

SAID = Envelope.compose(max_size=1000, text="x")


@pytest.fixture(params=MIGRATIONS)
def old(request: pytest.FixtureRequest, db: None) -> Any:
    """Return the models of a release that ended with this migration; the tables are the newest."""
    loader = MigrationExecutor(connection).loader
    apps = loader.project_state(("dasf_broker", request.param)).apps
    return SimpleNamespace(
        **{model.__name__: model for model in apps.get_app_config("dasf_broker").get_models()},
        people=apps.get_model("auth", "User")._default_manager,
    )


def fill(old: Any, user: User) -> Any:
    """Write a row to each table, as an old server does; return the topic."""
    person = old.people.get(pk=user.pk)
    topic = old.BrokerTopic.objects.create(slug="topic", store_messages="cacheall")
    answers = old.ResponseTopic.objects.create(slug="topic_answers", is_response_for=topic)
    message = old.BrokerMessage.objects.create(
        topic=topic,
        user=person,
        message_id=SAID.message_id,
        sequence=1,
        message_type="request",
        content=SAID.content,
    )
    old.BrokerTopic.objects.filter(pk=topic.pk).update(last_sequence=1)
    answers.source_messages.add(message)
    old.Acknowledgement.objects.create(message=message, user=person)
    old.ApiToken.objects.create(user=person, prefix="old", digest="x")
    if hasattr(old, "Lease"):
        old.Lease.objects.create(name="old", holder="me", expires=timezone.now())
    if hasattr(old, "RememberedMessage"):
        old.RememberedMessage.objects.create(
            topic=topic,
            message_id=uuid4(),
            sequence=0,
            fingerprint="x",
            date_created=timezone.now(),
            forget_on=timezone.now(),
        )
    topic.refresh_from_db()
    return topic


def test_old_servers_write_on(old: Any, superuser: User) -> None:
    """Each column that came later may be left out, and new servers go on with such rows."""
    topic = fill(old, superuser)
    caller = Caller.of(superuser)
    [(_, message)] = list_messages(access(caller, "topic"), PageRequest()).items
    assert message.text == "x"
    assert len(list_topics(caller, PageRequest()).items) == 2
    again = Publication(caller, "topic", SAID)
    assert codes(publish_batch([again, publication(superuser)])) == ["DUPLICATE", "STORED"]
    housekeeping_round()
    topic.is_public = True
    topic.save(update_fields=["is_public"])  # as an old admin does
    assert BrokerTopic.objects.get(slug="topic").is_public


def test_old_servers_read_on(old: Any, topic: BrokerTopic, superuser: User) -> None:
    """What new servers wrote can be read, acknowledged and removed by old ones."""
    sent = send(superuser, text="new").message
    row = old.BrokerMessage.objects.get(message_id=sent.message_id)
    assert (row.topic.slug, row.sequence, row.user_id) == ("topic", 1, superuser.pk)
    old.Acknowledgement.objects.create(message=row, user_id=superuser.pk)
    row.delete()
    old.BrokerTopic.objects.get(slug="topic").delete()
    assert not BrokerMessage.objects.exists()
