"""GraphQL over HTTP without Django's middleware: an ASGI middleware calls the same view.

Django's middleware takes longer than a mutation. This module does what the endpoint needs of it:
it limits the body, checks the name of the host and the credential, and refuses requests with a
cookie that another site sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import HttpResponse
from django.utils.functional import cached_property

from dasf_broker import database
from dasf_broker.auth import session_store
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.auth.sessions import user_of
from dasf_broker.exceptions import BrokerError, RateLimitedError
from dasf_broker.schema import served_schema
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.transports.connection.handshake import Receive, Scope, Send
from dasf_broker.transports.connection.headers import read_cookies, read_parameters
from dasf_broker.transports.connection.limits import socket_slots
from dasf_broker.transports.graphql.execution import Call, examine
from dasf_broker.transports.http.accept import prefers_events
from dasf_broker.transports.http.body import (
    ClientDisconnectedError,
    RequestTimeoutError,
    read_body,
    replay_body,
)
from dasf_broker.transports.http.cors import CrossOrigin
from dasf_broker.transports.http.django_view import GraphQLView, refuse
from dasf_broker.transports.http.event_stream import serve_events

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

#: Most characters of ``Content-Type`` that are read.
MAX_CONTENT_TYPE = 256


class BodyLimitMiddleware:
    """ASGI middleware that reads the bodies of POSTs to one path, with limits of size and time.

    Django itself reads a whole request, whatever its size and the time that it takes.

    Parameters
    ----------
    path
        The path of the endpoint, without the script's name and the leading slash.
    application
        Django's own ASGI application, which gets these requests afterwards, and all others.
    """

    def __init__(self, path: str, application: Application) -> None:
        self._path = f"/{path.lstrip('/')}"
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST" or not self._is_endpoint(scope):
            await self._application(scope, receive, send)
            return
        request = _Request(scope)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            await self._application(scope, receive, send)  # it redirects the client
            return
        try:
            body = await read_body(request.headers.get("content-length"), receive)
        except ClientDisconnectedError:
            return
        except BrokerError as error:
            status = 408 if isinstance(error, RequestTimeoutError) else None
            response = refuse(request, error, status=status)
            if scope.get("http_version", "1.1").startswith("1"):
                response["Connection"] = "close"  # the rest of the body is not read
            await _send(response, send)
        else:
            serving = self._serve(request, body, receive, send)
            del body  # a stream of events may last for days
            await serving

    async def _serve(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        await self._application(request.scope, replay_body(body, receive), send)

    def _is_endpoint(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(get_script_prefix(scope).rstrip("/")) == self._path


class GraphQLMiddleware(BodyLimitMiddleware):
    """ASGI middleware that answers POSTs to one path itself, and pages that ask before them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; tell the browser whether the page may read the answer."""
        if self._is_endpoint(scope):
            cross_origin = CrossOrigin(scope)
            if cross_origin.is_preflight:
                await cross_origin.answer_preflight(send)
                return
            send = cross_origin.sharing(send)
        await super().__call__(scope, receive, send)

    async def _serve(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        request.set_body(body)
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
        """Return the answer, or the call if the client asks for events."""
        view = GraphQLView()
        view.setup(request)
        if not prefers_events(request):
            return await view.post(request)
        call = await view.read(request)
        return call if isinstance(call, HttpResponse) else _without_unused_variables(call)

    async def _stream(
        self, request: _Request, call: Call, receive: Receive, send: Send
    ) -> HttpResponse | None:
        """Answer with events, or return a refusal. The stream counts as a socket."""
        request.set_body(b"")  # released: the stream does not need it, and may last long
        try:
            with socket_slots(address_of_request(request)) as slots:
                slots.assign_to(call.identity.caller)
                await serve_events(served_schema(), call, receive, send)
        except RateLimitedError as error:
            return refuse(request, error)
        return None


class _Request(ASGIRequest):
    """A Django request that loads its session without middleware."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope, BytesIO())

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # noqa: N802
        """Return the cookies that the endpoint uses."""
        names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
        return read_cookies(self.META.get("HTTP_COOKIE", ""), names)

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        kind = str(meta.get("CONTENT_TYPE", ""))[:MAX_CONTENT_TYPE]
        self.content_type, self.content_params = read_parameters(kind)

    def set_body(self, body: bytes) -> None:
        """Set the body, which was read already."""
        self._body = body
        self._stream = BytesIO(body)

    async def auser(self) -> User | AnonymousUser:
        """Return the user of the session, if there is one."""
        key = self.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not key:
            return AnonymousUser()
        self.session = session_store(key)
        return await database.read_first(user_of, self.session)


def _without_unused_variables(call: Call) -> Call:
    """Return a call with declared variables only: it may last for days."""
    try:
        _, request = examine(served_schema(), call.request)
    except InvalidDocumentError:
        return call  # its execution returns the error to the client
    return replace(call, request=request)


async def _send(response: HttpResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers.append((b"content-length", str(len(response.content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
