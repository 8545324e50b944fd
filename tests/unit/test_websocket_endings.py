"""Ending websockets on servers that cannot do everything."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from dasf_broker.transports.connection.close_codes import CloseCode
from dasf_broker.transports.connection.send_timeout import (
    TimedSend,
    abort,
    close_websocket,
    drop,
)


class Twisted:
    """A protocol of daphne, and its transport, which have names of their own."""

    def __init__(self) -> None:
        self.transport = self
        self.done: list[Any] = []

    def loseConnection(self) -> None:  # noqa: N802 - the name in Twisted
        """Note that the connection was closed."""
        self.done.append("closed")

    def abortConnection(self) -> None:  # noqa: N802 - the name in Twisted
        """Note that the connection was aborted."""
        self.done.append("aborted")


async def _reply(protocol: Twisted, message: dict[str, Any]) -> None:
    """Send as daphne does: only some codes, and only of the type ``int``."""
    code = message["code"]
    if type(code) is not int or not (code == 1000 or 3000 <= code <= 4999):
        raise Exception("close code must be 1000 or from 3000 on")  # noqa: TRY002 - autobahn does so
    protocol.done.append(code)


@pytest.mark.parametrize("code", CloseCode)
async def test_codes_on_daphne(code: CloseCode) -> None:
    """What it cannot send becomes the end of the connection, after which clients come back."""
    protocol = Twisted()
    await close_websocket(TimedSend(partial(_reply, protocol)), code)
    assert protocol.done == [code if code >= 3000 else "closed"]


async def test_connections_of_daphne() -> None:
    """They can be closed, and aborted."""
    protocol = Twisted()
    send = partial(_reply, protocol)
    assert drop(send)
    abort(send)
    assert protocol.done == ["closed", "aborted"]


@pytest.mark.parametrize("error", [RuntimeError("closed"), ConnectionResetError("gone")])
async def test_server_without_a_transport(error: Exception) -> None:
    """Nothing hides that a code could not be sent."""

    async def send(_: Any) -> None:
        raise error

    assert not drop(send)
    abort(send)
    with pytest.raises(type(error)):
        await close_websocket(send, CloseCode.UNAUTHORIZED)
