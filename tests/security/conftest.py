"""What the tests of attacks share: the clients of the doors' tests."""

from __future__ import annotations

import pytest

from tests.doors.clients import GraphQLClient
from tests.doors.conftest import (
    CLIENTS,
    client,
    django_thread,
    enter,
    open_socket,
    open_stream,
    publish_text,
)
from tests.doors.dasf.conftest import dasf

__all__ = ["client", "dasf", "django_thread", "enter", "open_socket", "open_stream", "publish_text"]


@pytest.fixture
def clients(hub_lifetime: None) -> list[GraphQLClient]:
    """Return a client for each of the doors, all together."""
    return [kind() for kind in CLIENTS.values()]
