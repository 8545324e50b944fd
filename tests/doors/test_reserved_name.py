"""No door creates a topic `status-ping`: over the DASF protocol no producer could connect to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dasf_broker import create_topic, publish
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import BrokerTopic
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.commands import run

NAME = "status-ping"

_CREATE = """
mutation { createTopic(input: { slug: "status-ping" }) { topic { slug } } }
"""
_PUBLISH = """
mutation { publishMessage(input: { topic: "status-ping", text: "x" }) { status } }
"""


@pytest.fixture(autouse=True)
def _never(transactional_db: None) -> Iterator[None]:
    """Check at the end that there is none."""
    yield
    assert not BrokerTopic.objects.exists()


async def test_graphql(client: GraphQLClient, superuser: User) -> None:
    """Neither by a mutation for it, nor by a message."""
    created = await client.refusal(_CREATE, as_=superuser)
    assert is_refusal(created, "BAD_INPUT", "slug")
    published = await client.refusal(_PUBLISH, as_=superuser)
    assert is_refusal(published, "BAD_INPUT", "topic")


def test_code_of_the_host(superuser: User) -> None:
    """The same from Python."""
    with pytest.raises(BadInputError, match="Choose another"):
        create_topic(NAME, user=superuser)
    with pytest.raises(BadInputError, match="Choose another"):
        publish(NAME, text="x", user=superuser)


def test_the_command(superuser: User) -> None:
    """It says what to do."""
    ran = run("dasf_topic", NAME, "--create")
    assert ran.code == 1
    assert "Choose another" in ran.err


def test_the_admin(admin_client: Client) -> None:
    """The form says it beside the field."""
    page = admin_client.post(reverse("admin:dasf_broker_brokertopic_add"), {"slug": NAME})
    assert "Choose another" in str(page.context["adminform"].form.errors["slug"])
