"""Cross-origin resource sharing: let pages of the listed origins read answers over HTTP.

The pages that may do so are those of ``DASF_ALLOWED_ORIGINS``, which may open websockets, too. The
browser sends the cookies of a visitor only to answers that allow it: those for a listed origin, and
never those for ``*``. Specification: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from django.conf import settings

from dasf_broker import app_settings
from dasf_broker.domain.origins import ANY, Origin, OriginList
from dasf_broker.transports.connection.handshake import Scope, Send

Headers: TypeAlias = list[tuple[bytes, bytes]]

#: Seconds for which a browser may keep the answer to a preflight.
MAX_AGE = 600

_ALLOW_ORIGIN = b"access-control-allow-origin"
_EXPOSED = b"Retry-After"


class CrossOrigin:
    """What one request to the endpoint is told about the origin of its page.

    Parameters
    ----------
    scope
        The scope of the request.
    """

    def __init__(self, scope: Scope) -> None:
        self._method: str = scope["method"]
        self._asked: Headers = scope.get("headers", [])
        allowed = OriginList.of(app_settings.DASF_ALLOWED_ORIGINS)
        self._is_shared = bool(app_settings.DASF_ALLOWED_ORIGINS)
        self._headers = [*_sharing(allowed, self._origins())] if self._is_shared else []

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks before the request of a page that may call."""
        if self._method != "OPTIONS" or not self._headers:
            return False
        return any(name == b"access-control-request-method" for name, _ in self._asked)

    async def answer_preflight(self, send: Send) -> None:
        """Answer that the page may send its request."""
        headers = [
            *self._headers,
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", _request_headers().encode("latin-1")),
            (b"access-control-max-age", str(MAX_AGE).encode()),
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def sharing(self, send: Send) -> Send:
        """Return a ``send`` that adds the headers to the answer, whichever it is."""
        return _SharingSend(send, self._headers) if self._is_shared else send

    def _origins(self) -> list[bytes]:
        return [value for name, value in self._asked if name == b"origin"]


class _SharingSend:
    """A ``send`` with the headers. It keeps the method of the server that leads to the transport.

    See :func:`dasf_broker.transports.connection.send_timeout.abort`.
    """

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send = send
        self._headers = headers
        self.__self__ = getattr(send, "__self__", None)

    async def __call__(self, message: Scope) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._added(list(message.get("headers", ())))}
        await self._send(message)

    def _added(self, headers: Headers) -> Headers:
        if any(name.lower() == _ALLOW_ORIGIN for name, _ in headers):
            return headers  # middleware of the host decided
        exposed = [(b"access-control-expose-headers", _EXPOSED)] if self._headers else []
        return [*headers, *self._headers, *exposed, (b"vary", b"Origin")]


def _sharing(allowed: OriginList, origins: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    text = origins[0].decode("latin-1") if len(origins) == 1 else ""
    origin = Origin.parse(text)
    if origin is not None and allowed.names(origin):
        yield _ALLOW_ORIGIN, text.encode("latin-1")
        yield b"access-control-allow-credentials", b"true"
    elif origins and allowed.has_any:
        yield _ALLOW_ORIGIN, ANY.encode()


def _request_headers() -> str:
    """Return the headers that a page may send."""
    token = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").lower()
    return f"authorization, content-type, {token}, last-event-id"
