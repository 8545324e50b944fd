"""GraphQL over HTTP without Django's middleware: an ASGI middleware calls the same view.

Django's middleware takes longer than a mutation. This module does what the endpoint needs of it:
it limits the body, checks the name of the host and the credential, and refuses requests with a
cookie that another site sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from dasf_broker import database
from dasf_broker.auth import session_store
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.auth.sessions import user_of
from dasf_broker.exceptions import (
    BadInputError,
    BrokerError,
    PayloadTooLargeError,
    RateLimitedError,
)
from dasf_broker.schema import served_schema
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.transports.connection.handshake import (
    Receive,
    Scope,
    Send,
    check_head_size,
    head_size,
)
from dasf_broker.transports.connection.headers import read_cookies, read_parameters
from dasf_broker.transports.connection.limits import socket_slots
from dasf_broker.transports.connection.send_timeout import (
    ClosedConnectionError,
    abort_if_stalled,
    drop_unless_read,
)
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
from dasf_broker.transports.http.responses import send_response
from dasf_broker.transports.url_paths import path_below_script

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
#: Answers a request whose body was read: ``handler(request, body, receive, send)``.
Handler: TypeAlias = Callable[["_Request", bytes, Receive, Send], Awaitable[None]]

#: Most characters of ``Content-Type`` that are read.
MAX_CONTENT_TYPE = 256


class BodyLimitMiddleware:
    """ASGI middleware that limits the requests and answers of the broker's own paths.

    A body is read with limits of size and time: Django itself reads a whole request, whatever its
    size and the time that it takes. A client that does not read its answer is disconnected.

    Parameters
    ----------
    endpoints
        The paths of GraphQL, without the script's name.
    pages
        The paths of the other views of the broker.
    application
        Django's own ASGI application, which gets these requests afterwards, and all others.
    """

    def __init__(
        self, endpoints: Container[Any], pages: Container[str], application: Application
    ) -> None:
        self._endpoints = endpoints
        self._pages = pages
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = path_below_script(scope)
        is_endpoint = path in self._endpoints
        if not is_endpoint and path not in self._pages:
            await self._application(scope, receive, send)
        elif scope["method"] == "POST" and is_endpoint:
            await self._limit(scope, receive, send, self._serve)
        elif _may_have_body(scope):
            await self._limit(scope, receive, send, self._forward)
        else:
            await self._ask_django(scope, receive, send)

    async def _limit(self, scope: Scope, receive: Receive, send: Send, then: Handler) -> None:
        request = _Request(scope)
        try:
            body = await read_body(request.headers.get("content-length"), receive)
        except ClientDisconnectedError:
            return
        except BrokerError as error:
            await send_response(_refuse_body(request, error), send)
        else:
            if settings.SECURE_SSL_REDIRECT and not request.is_secure():
                then = self._forward  # Django redirects the client
            serving = then(request, body, receive, send)
            del body  # a stream of events may last for days
            await serving

    async def _serve(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        await self._forward(request, body, receive, send)

    async def _forward(self, request: _Request, body: bytes, receive: Receive, send: Send) -> None:
        await self._ask_django(request.scope, replay_body(body, receive), send)

    async def _ask_django(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        with abort_if_stalled(send) as timed_send, suppress(ClosedConnectionError):
            await self._application(scope, receive, timed_send)
        await drop_unless_read(send)


class GraphQLMiddleware(BodyLimitMiddleware):
    """ASGI middleware that answers POSTs to the endpoint itself, and pages that ask before them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; tell the browser whether the page may read the answer."""
        if path_below_script(scope) in self._endpoints:
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
        await send_response(response, send)

    async def _answer(self, request: _Request) -> HttpResponse | Call:
        """Return the answer, or the call if the client asks for events."""
        view = GraphQLView()
        view.setup(request)
        if not prefers_events(request):
            return await view.post(request)
        call = await view.read(request)
        try:
            return call if isinstance(call, HttpResponse) else _without_unused_variables(call)
        except PayloadTooLargeError as error:
            return refuse(request, error)

    async def _stream(
        self, request: _Request, call: Call, receive: Receive, send: Send
    ) -> HttpResponse | None:
        """Answer with events, or return a refusal. The stream counts as a socket."""
        request.set_body(b"")  # released: the stream does not need it, and may last long
        with ExitStack() as stack:
            try:
                check_head_size(head_size(request.scope))
                caller = call.identity.caller
                stack.enter_context(socket_slots(address_of_request(request), caller))
            except BadInputError as error:
                return refuse(request, error, status=431)
            except RateLimitedError as error:
                return refuse(request, error, status=503)
            await serve_events(served_schema(), call, receive, send)
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
        session = session_store(key) if key else None
        if session is None:
            return AnonymousUser()
        self.session = session
        return await database.read_first(user_of, session)


def _without_unused_variables(call: Call) -> Call:
    """Return a call with declared variables only: it may last for days."""
    try:
        _, request = examine(served_schema(), call.request)
    except InvalidDocumentError:
        return call  # its execution returns the error to the client
    return replace(call, request=request)


def _refuse_body(request: _Request, error: BrokerError) -> HttpResponse:
    status = 408 if isinstance(error, RequestTimeoutError) else None
    response = refuse(request, error, status=status)
    if request.scope.get("http_version", "1.1").startswith("1"):
        response["Connection"] = "close"  # the rest of the body is not read
    return response


def _may_have_body(scope: Scope) -> bool:
    """Tell whether a request may have a body; in HTTP/2 only its frames tell."""
    if not scope.get("http_version", "1.1").startswith("1"):
        return True
    named = [(name.lower(), value) for name, value in scope["headers"]]
    return any(name == b"transfer-encoding" for name, _ in named) or any(
        name == b"content-length" and value != b"0" for name, value in named
    )
