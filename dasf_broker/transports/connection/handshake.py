"""The HTTP request that opens a websocket, read as Django reads requests, and its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from io import BytesIO
from typing import Any, TypeAlias

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest

from dasf_broker.auth import Identity, authorization_in, identify_session, identify_token
from dasf_broker.auth.client_address import address_of_request

# ASGI's own names.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: The schemes of HTTP behind those of websockets.
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class Handshake(ASGIRequest):
    """The request that opens a websocket, under the settings for hosts and proxies."""

    def __init__(self, scope: Scope) -> None:
        scheme = _HTTP_SCHEMES.get(scope.get("scheme", ""), "http")
        # Without what Django may fail at and nobody needs: the query, and the charset of a body.
        headers = [each for each in scope.get("headers", ()) if each[0].lower() != b"content-type"]
        changed = {"method": "GET", "scheme": scheme, "headers": headers, "query_string": b""}
        super().__init__({**scope, **changed}, BytesIO())
        name, _ = settings.SECURE_PROXY_SSL_HEADER or ("", "")
        if (forwarded := self.META.get(name)) in _HTTP_SCHEMES:  # Traefik does so
            self.META[name] = _HTTP_SCHEMES[forwarded]

    @property
    def address(self) -> str | None:
        """The address of the client, if it is known."""
        return address_of_request(self)

    @property
    def root_url(self) -> str:
        """Scheme and host under which the client reached the server."""
        try:
            host = self.get_host()
        except DisallowedHost:  # harmless: only the client that sent it gets it back
            host = self.headers.get("host", "localhost")
        return f"{self.scheme}://{host}"


async def identify_socket(
    handshake: Handshake, payload: Mapping[str, Any] | None = None
) -> Identity:
    """Return the user who opens a socket.

    Parameters
    ----------
    handshake
        A session cookie counts only beside an ``Origin``, which browsers always send and
        :mod:`.origins` has checked.
    payload
        Of ``connection_init``, in protocols that have it. Its token takes precedence over the
        header's.

    Raises
    ------
    UnauthenticatedError
        There is a token, and it is not valid.
    RateLimitedError
        There were too many such tokens from this address.
    UnavailableError
        The database does not answer.
    """
    authorization, address = authorization_in(payload), handshake.address
    if authorization is None:  # but an empty one is refused
        authorization = handshake.headers.get("authorization")
    if authorization is not None:
        return await identify_token(authorization, address=address)
    cookies = handshake.COOKIES if "origin" in handshake.headers else {}
    return await identify_session(cookies.get(settings.SESSION_COOKIE_NAME), address=address)
