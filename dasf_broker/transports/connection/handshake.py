"""The HTTP request that opens a websocket, as a Django request, and its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from io import BytesIO
from typing import Any, TypeAlias

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.functional import cached_property

from dasf_broker.auth import Identity, authorization_in, identify_session, identify_token
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.domain.texts import MAX_TEXT
from dasf_broker.exceptions import BadInputError
from dasf_broker.transports.connection import origins
from dasf_broker.transports.connection.headers import read_cookies

#: Most bytes of the path and the headers of a request that begins a connection: the server keeps
#: them, more than once, as long as the connection lasts.
MAX_REQUEST_HEAD = 16 * 1024

# ASGI's own names.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: The schemes of HTTP behind those of websockets.
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class Handshake(ASGIRequest):
    """The request that opens a websocket, under the settings for hosts and proxies."""

    def __init__(self, scope: Scope) -> None:
        #: Bytes of the path and the headers.
        self.size = head_size(scope)
        scheme = _HTTP_SCHEMES.get(scope.get("scheme", ""), "http")
        # Without the query and the charset, which are not used, and which may make Django fail.
        headers = [each for each in scope.get("headers", ()) if each[0].lower() != b"content-type"]
        changed = {"method": "GET", "scheme": scheme, "headers": headers, "query_string": b""}
        super().__init__({**scope, **changed}, BytesIO())
        name, _ = settings.SECURE_PROXY_SSL_HEADER or ("", "")
        if (forwarded := self.META.get(name)) in _HTTP_SCHEMES:  # Traefik sends it
            self.META[name] = _HTTP_SCHEMES[forwarded]

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # noqa: N802
        """Return the cookie of the session."""
        names = (settings.SESSION_COOKIE_NAME,)
        return read_cookies(self.META.get("HTTP_COOKIE", ""), names)

    @property
    def address(self) -> str | None:
        """The address of the client, if it is known."""
        return address_of_request(self)

    @property
    def root_url(self) -> str:
        """Scheme and host of the server in the client's request, and the name of the script."""
        try:
            host = self.get_host()
        except DisallowedHost:  # harmless: it is returned only to the client that sent it
            host = self.headers.get("host", "localhost")
        return f"{self.scheme}://{host[:MAX_TEXT]}{self.script_name}"


def head_size(scope: Mapping[str, Any]) -> int:
    """Return how many bytes the path and the headers of a request have."""
    headers = sum(len(name) + len(value) for name, value in scope.get("headers", ()))
    return headers + len(scope["path"]) + len(scope.get("query_string", b""))


def check_head_size(size: int) -> None:
    """Check the bytes of the path and the headers of a request that begins a connection.

    Raises
    ------
    BadInputError
        There are too many.
    """
    if size > MAX_REQUEST_HEAD:
        raise BadInputError(
            f"The path and the headers of a connection have at most {MAX_REQUEST_HEAD} bytes, "
            f"these have {size}; send fewer cookies."
        )


def may_have_credential(handshake: Handshake) -> bool:
    """Tell whether a handshake contains a token or a session, which may be wrong."""
    if "authorization" in handshake.headers:
        return True
    return "origin" in handshake.headers and settings.SESSION_COOKIE_NAME in handshake.COOKIES


async def identify_socket(
    handshake: Handshake, payload: Mapping[str, Any] | None = None
) -> Identity:
    """Return the identity of the user who opens a socket.

    Parameters
    ----------
    handshake
        A session cookie counts only beside an ``Origin``, which browsers always send, and only if
        pages of that origin are trusted (see :mod:`.origins`).
    payload
        The payload of ``connection_init``, in protocols that have it. Its token takes precedence
        over that of the header.

    Raises
    ------
    UnauthenticatedError
        The client sent a token that is not valid.
    RateLimitedError
        There were too many wrong tokens from this address.
    UnavailableError
        The database does not answer.
    """
    authorization, address = authorization_in(payload), handshake.address
    if authorization is None:  # an empty value is refused below
        authorization = handshake.headers.get("authorization")
    if authorization is not None:
        return await identify_token(authorization, address=address)
    cookies = handshake.COOKIES if origins.is_trusted(handshake) else {}
    return await identify_session(cookies.get(settings.SESSION_COOKIE_NAME), address=address)
