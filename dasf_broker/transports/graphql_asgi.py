"""GraphQL over HTTP beside Django: the same view, without the way through its middleware.

That way costs more than a mutation itself. What a host's middleware would do and the endpoint
needs, this door does by itself: the size of the body, the host's name, who is calling, and proof
that a request with a cookie was not made by another site.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import HttpResponse

from dasf_broker import database
from dasf_broker.auth import session_store
from dasf_broker.exceptions import BadInputError, BrokerError, PayloadTooLargeError
from dasf_broker.transports.graphql_http import TOO_LARGE, GraphQLView, refuse
from dasf_broker.transports.handshake import Receive, Scope, Send

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

#: Seconds that a client may take to send the body of a request.
BODY_TIMEOUT = 30.0


class GraphQLDoor:
    """An ASGI application that answers POSTs to one path, and leaves the rest to another one.

    Parameters
    ----------
    path
        The path of the endpoint, without the script's name and the first slash.
    otherwise
        Django's own ASGI application.
    """

    def __init__(self, path: str, otherwise: Application) -> None:
        self._path = f"/{path.lstrip('/')}"
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST" or not self._is_here(scope):
            await self._otherwise(scope, receive, send)
            return
        body = BytesIO()
        request = _Request(scope, body)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            await self._otherwise(scope, receive, send)  # which sends the client elsewhere
            return
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                await _read_body(receive, body)
        except _GoneError:
            return
        except TimeoutError:
            late = BadInputError(f"The request did not arrive within {BODY_TIMEOUT:g} s.")
            response = refuse(request, late, status=408)
        except PayloadTooLargeError as error:
            response = refuse(request, error)
        else:
            body.seek(0)
            response = await self._answer(request)
        await _send(response, send)

    def _is_here(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(get_script_prefix(scope).rstrip("/")) == self._path

    async def _answer(self, request: _Request) -> HttpResponse:
        view = GraphQLView()
        view.setup(request)
        try:
            return await view.post(request)
        except Exception:
            logger.exception("A GraphQL request failed.")
            return refuse(request, BrokerError("The broker failed; its log says how."))


class _GoneError(Exception):
    """The client went away before its request was complete."""


class _Request(ASGIRequest):
    """Django's request, which opens its session by itself."""

    async def auser(self) -> User | AnonymousUser:
        """Return the user of the session, if there is one."""
        key = self.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not key:
            return AnonymousUser()
        self.session = session_store(key)
        return await database.read(get_user, self)


async def _read_body(receive: Receive, body: BytesIO) -> None:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body.write(message.get("body", b""))
        if limit is not None and body.tell() > limit:
            raise PayloadTooLargeError(TOO_LARGE)
        if not message.get("more_body", False):
            return


async def _send(response: HttpResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers.append((b"content-length", str(len(response.content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
