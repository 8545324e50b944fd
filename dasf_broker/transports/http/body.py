"""Read the body of a request within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from django.conf import settings

from dasf_broker import app_settings
from dasf_broker.exceptions import BadInputError, PayloadTooLargeError

TOO_LARGE = "The request is larger than DATA_UPLOAD_MAX_MEMORY_SIZE allows."

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientDisconnectedError(Exception):
    """The client disconnected before its request was complete."""


class RequestTimeoutError(BadInputError):
    """The request did not arrive in time."""


def check_length(length: str | None) -> None:
    """Check the value of ``Content-Length``.

    Raises
    ------
    PayloadTooLargeError
        The length is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
    BadInputError
        The length is not a number.
    """
    if not length:
        return  # sent in chunks: the bytes are counted while they are read
    if not (length.isascii() and length.isdigit()):
        raise BadInputError("Content-Length is a number.")
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    # The length of the text first: it may have more digits than Python converts to a number.
    if limit is not None and (len(length) > len(str(limit)) + 20 or int(length) > limit):
        raise PayloadTooLargeError(TOO_LARGE)


async def read_body(length: str | None, receive: Receive) -> bytes:
    """Return the body of an ASGI request.

    Parameters
    ----------
    length
        The value of ``Content-Length``, if there is one.
    receive
        The ``receive`` of the ASGI server.

    Raises
    ------
    PayloadTooLargeError
        The body is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``; the rest is not read.
    BadInputError
        The announced length is not a number.
    RequestTimeoutError
        The body did not arrive within ``DASF_BODY_TIMEOUT``.
    ClientDisconnectedError
        The client disconnected.
    """
    check_length(length)
    seconds = app_settings.DASF_BODY_TIMEOUT
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive)
    except TimeoutError:
        raise RequestTimeoutError(f"The request did not arrive within {seconds:g} s.") from None


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that first returns a body that was read already."""
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> MutableMapping[str, Any]:
        return unread.pop() if unread else await receive()

    return receive_again


async def _read(receive: Receive) -> bytes:
    limit, body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        body += message.get("body", b"")
        if limit is not None and len(body) > limit:
            raise PayloadTooLargeError(TOO_LARGE)
        if not message.get("more_body", False):
            return bytes(body)
