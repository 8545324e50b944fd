"""Who opens a websocket: the handshake read as Django reads requests, the same for all sockets."""

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

#: The schemes of websockets, and those of HTTP that they stand for.
_OF_HTTP = {"ws": "http", "wss": "https"}


class Handshake(ASGIRequest):
    """The request that opens a websocket, under the settings for hosts and proxies."""

    def __init__(self, scope: Scope) -> None:
        scheme = _OF_HTTP.get(scope.get("scheme", ""), "http")
        # Nobody reads what Django would stumble over: a query that is no text, an odd charset.
        headers = [each for each in scope.get("headers", ()) if each[0].lower() != b"content-type"]
        of_http = {"method": "GET", "scheme": scheme, "headers": headers, "query_string": b""}
        super().__init__({**scope, **of_http}, BytesIO())
        name, _ = settings.SECURE_PROXY_SSL_HEADER or ("", "")
        if (forwarded := self.META.get(name)) in _OF_HTTP:  # so does Traefik
            self.META[name] = _OF_HTTP[forwarded]

    @property
    def address(self) -> str | None:
        """Where the client calls from, if that is known."""
        return address_of_request(self)

    @property
    def root_url(self) -> str:
        """Scheme and host under which the client reached the server."""
        try:
            host = self.get_host()
        except DisallowedHost:  # no reason to refuse a program: only who said it is told
            host = self.headers.get("host", "localhost")
        return f"{self.scheme}://{host}"


async def identify_socket(
    handshake: Handshake, payload: Mapping[str, Any] | None = None
) -> Identity:
    """Return who opens a socket.

    Parameters
    ----------
    handshake
        A session cookie counts only beside an ``Origin``: browsers always send one, and
        :mod:`.origins` has judged it.
    payload
        Of ``connection_init``, in protocols that have one. Its token goes before the header's.

    Raises
    ------
    UnauthenticatedError
        There is a token, and it does not let anybody in.
    RateLimitedError
        There were too many of those from this address.
    UnavailableError
        The database does not answer.
    """
    authorization, address = authorization_in(payload), handshake.address
    if authorization is None:  # an empty one is wrong, and not taken for none
        authorization = handshake.headers.get("authorization")
    if authorization is not None:
        return await identify_token(authorization, address=address)
    cookies = handshake.COOKIES if "origin" in handshake.headers else {}
    return await identify_session(cookies.get(settings.SESSION_COOKIE_NAME), address=address)
