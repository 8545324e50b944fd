"""What the tests of the DASF websockets share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from django.contrib.auth.models import User

from tests.doors.conftest import OpenSocket
from tests.doors.dasf.frames import to
from tests.doors.sockets import Socket

OpenDasf = Callable[..., Awaitable[Socket]]


@pytest.fixture
def dasf(open_socket: OpenSocket) -> OpenDasf:
    """Return a function that opens a DASF socket: ``dasf("topic/name", user)``."""

    async def open_(path: str, user: User | None = None, **headers: str) -> Socket:
        socket: Socket = await open_socket(**await to(path, user, **headers))
        return socket

    return open_
