"""Errors that nobody expected: a log id for the caller, the rest for the log."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

#: What to break, and the operation that then breaks.
BREAKABLE = {
    "read": ("dasf_broker.schema.queries.access", '{ topic(slug: "topic") { slug } }'),
    "field": (
        "dasf_broker.schema.types.topic_fields.Availability.of",
        '{ topic(slug: "topic") { availability { status } } }',
    ),
    "loader": (
        "dasf_broker.schema.execution.context.rights_table",
        '{ topic(slug: "topic") { permissions { canConsume } } }',
    ),
    "publish": (
        "dasf_broker.operations.publish._announce",
        'mutation { publishMessage(input: {topic: "topic"}) { status } }',
    ),
    "write": (
        "dasf_broker.operations.heartbeat.ping",
        'mutation { pingTopic(topic: "topic") { pingedAt } }',
    ),
}


@pytest.mark.parametrize("broken", BREAKABLE)
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, RecursionError])
async def test_unexpected_exception(
    client: GraphQLClient,
    topic: BrokerTopic,
    superuser: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    kind: type[Exception],
) -> None:
    """The caller gets a log id and nothing of the text; the log has both."""
    target, query = BREAKABLE[broken]
    monkeypatch.setattr(target, _raiser(kind("the secret")))
    answer = await client.execute(query, as_=superuser)
    [error] = answer["errors"]
    assert is_refusal(error, "INTERNAL")
    assert set(error["extensions"]) == {"code", "logId"}
    assert "secret" not in json.dumps(answer)
    [record] = [
        each for each in caplog.records if error["extensions"]["logId"] in each.getMessage()
    ]
    assert record.exc_info is not None
    assert "the secret" in str(record.exc_info[1])
    assert not await database.read(BrokerMessage.objects.exists)


@pytest.mark.parametrize("broken", BREAKABLE)
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
async def test_database_that_does_not_answer(
    client: GraphQLClient,
    topic: BrokerTopic,
    superuser: User,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    kind: type[Exception],
) -> None:
    """A database that is locked or down is an error that clients retry."""
    target, query = BREAKABLE[broken]
    monkeypatch.setattr(target, _raiser(kind("the secret")))
    answer = await client.execute(query, as_=superuser)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    assert "secret" not in json.dumps(answer)
    assert not await database.read(BrokerMessage.objects.exists)


def _raiser(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail
