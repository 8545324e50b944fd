"""A schema that strawberry alone made is refused, before the first request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from dasf_broker import schema as broker
from dasf_broker.routing import broker_application
from dasf_broker.testing import GraphQLClient
from dasf_broker.transports.http.django_view import GraphQLView
from dasf_broker.transports.websocket.graphql import GraphQLWebSocket


@strawberry.type
class _Query(broker.Query):
    pass


#: What a host may take for a schema of the broker.
plain = strawberry.Schema(_Query)


class _OwnView(GraphQLView):
    schema = plain


_REFUSED = r"is a strawberry\.schema\.schema\.Schema\. Make it with `dasf_broker\.schema\.Schema`"


@pytest.mark.parametrize(
    "take",
    [
        lambda: GraphQLView.as_view(schema=plain),
        _OwnView.as_view,
        lambda: GraphQLWebSocket(plain),
        lambda: GraphQLClient(schema=plain),
    ],
    ids=["view", "own view", "websocket", "test client"],
)
def test_given_to_a_door(take: Callable[[], Any]) -> None:
    """Each door that takes a schema says so at once."""
    with pytest.raises(ImproperlyConfigured, match=_REFUSED):
        take()


def test_named_by_the_setting(settings: Settings) -> None:
    """The application does not start, and `manage.py check` says why."""
    settings.DASF_GRAPHQL_SCHEMA = f"{__name__}.plain"
    with pytest.raises(ImproperlyConfigured, match=rf"DASF_GRAPHQL_SCHEMA .*{_REFUSED}"):
        broker_application(None)
    [error] = [each for each in run_checks() if each.id == "dasf_broker.E001"]
    assert "DASF_GRAPHQL_SCHEMA" in error.msg


@pytest.mark.parametrize("path", ["nowhere.schema", "tests.doors.host_schema.nothing"])
def test_missing(path: str, settings: Settings) -> None:
    """Nor with a path to nothing."""
    settings.DASF_GRAPHQL_SCHEMA = path
    [error] = [each for each in run_checks() if each.id == "dasf_broker.E001"]
    assert "DASF_GRAPHQL_SCHEMA" in error.msg
