"""GraphQL over HTTP beside Django: the same view, without the way through its middleware.

That way costs more than a mutation itself. What a host's middleware would do and the endpoint
needs, this door does by itself: the size of the body, the host's name, who is calling, and proof
that a request with a cookie was not made by another site.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import HttpResponse

from dasf_broker import database
from dasf_broker.auth import session_store
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.exceptions import BrokerError, RateLimitedError
from dasf_broker.schema import served_schema
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.transports.connection.handshake import Receive, Scope, Send
from dasf_broker.transports.connection.limits import seat
from dasf_broker.transports.graphql.execution import Call, examine
from dasf_broker.transports.http.body import GoneError, LateError, read_body, repeated
from dasf_broker.transports.http.django_view import GraphQLView, prefers_events, refuse
from dasf_broker.transports.http.event_stream import serve_events

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class BodyGuard:
    """An ASGI application that reads the POSTs to one path before another one gets them.

    Django reads a request to its end, however large it is and however slowly it comes.

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
        request = _Request(scope)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            await self._otherwise(scope, receive, send)  # which sends the client elsewhere
            return
        try:
            body = await read_body(request.headers.get("content-length"), receive)
        except GoneError:
            return
        except BrokerError as error:
            response = refuse(request, error, status=408 if isinstance(error, LateError) else None)
            if scope.get("http_version", "1.1").startswith("1"):
                response["Connection"] = "close"  # what else is sent is of no use
            await _send(response, send)
        else:
            serving = self._serve(request, body, receive, send)
            del body  # an answer that is a stream of events may last for days
            await serving

    async def _serve(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        await self._otherwise(request.scope, repeated(body, receive), send)

    def _is_here(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(get_script_prefix(scope).rstrip("/")) == self._path


class GraphQLDoor(BodyGuard):
    """An ASGI application that answers POSTs to one path, and leaves the rest to another one."""

    async def _serve(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        request.take(body)
        del body
        answer = await self._answer(request)
        if isinstance(answer, HttpResponse):
            response = answer
        elif (refusal := await self._stream(request, answer, receive, send)) is not None:
            response = refusal
        else:
            return
        await _send(response, send)

    async def _answer(self, request: _Request) -> HttpResponse | Call:
        """Return the answer, or the call that is to be answered with events."""
        view = GraphQLView()
        view.setup(request)
        if not prefers_events(request):
            return await view.post(request)
        call = await view.read(request)
        return call if isinstance(call, HttpResponse) else _lean(call)

    async def _stream(
        self, request: _Request, call: Call, receive: Receive, send: Send
    ) -> HttpResponse | None:
        """Answer with events, which keep a place for as long as a socket would."""
        request.take(b"")  # it holds the body, too
        try:
            with seat(address_of_request(request)) as taken:
                taken.give_to(call.identity.caller)
                await serve_events(served_schema(), call, receive, send)
        except RateLimitedError as error:
            return refuse(request, error)
        return None


class _Request(ASGIRequest):
    """Django's request, which opens its session by itself."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope, BytesIO())

    def take(self, body: bytes) -> None:
        """Note what was read of the request: all of it."""
        self._body = body
        self._stream = BytesIO(body)

    async def auser(self) -> User | AnonymousUser:
        """Return the user of the session, if there is one."""
        key = self.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not key:
            return AnonymousUser()
        self.session = session_store(key)
        return await database.read(get_user, self)


def _lean(call: Call) -> Call:
    """Keep nothing of a call, for as long as it lasts, that nobody reads."""
    try:
        _, request = examine(served_schema(), call.request)
    except InvalidDocumentError:
        return call  # that is told, and over
    return replace(call, request=request)


async def _send(response: HttpResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers.append((b"content-length", str(len(response.content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
