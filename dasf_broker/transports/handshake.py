"""Who opens a websocket: read from the ASGI scope, the same way for all sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from django.conf import settings
from django.http import parse_cookie

from dasf_broker import database
from dasf_broker.auth import (
    Identity,
    authorization_in,
    identify,
    identify_token,
    session_user,
)

# ASGI's own names.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers, their names in lower case."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in scope.get("headers", ())
    }


def root_url_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """Return scheme and host under which the client reached the server."""
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    return f"{scheme}://{headers.get('host', 'localhost')}"


async def identify_socket(
    headers: Mapping[str, str],
    payload: Mapping[str, Any] | None = None,
    *,
    address: str | None = None,
) -> Identity:
    """Return who opens a socket.

    Parameters
    ----------
    headers
        Of the handshake. A session cookie counts only beside an ``Origin``: browsers always send
        one, and :mod:`.origins` has judged it.
    payload
        Of ``connection_init``, in protocols that have one. Its token goes before the header's.
    address
        Where the client calls from.

    Raises
    ------
    UnauthenticatedError
        There is a token, and it does not let anybody in.
    RateLimitedError
        There were too many of those from this address.
    UnavailableError
        The database does not answer.
    """
    authorization = authorization_in(payload)
    if authorization is None:  # an empty one is wrong, and not taken for none
        authorization = headers.get("authorization")
    if authorization is not None:
        return await identify_token(authorization, address=address)
    cookies = headers.get("cookie", "") if "origin" in headers else ""
    session_key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    return await database.read(
        lambda: identify(None, session_user(session_key), session_key, address=address)
    )
