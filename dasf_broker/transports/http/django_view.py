"""GraphQL over HTTP: ``POST`` with JSON, and GraphiQL for browsers.

Specification: https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from io import BytesIO
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import add_never_cache_headers
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from graphql import OperationType
from strawberry import Schema

from dasf_broker import app_settings, database
from dasf_broker.answers import answer_to
from dasf_broker.auth import Identity, identify_request, user_of_request
from dasf_broker.domain.texts import MAX_TEXT
from dasf_broker.exceptions import (
    BadInputError,
    ForbiddenError,
    PayloadTooLargeError,
)
from dasf_broker.schema import checked, served_schema
from dasf_broker.schema.errors import format_answer
from dasf_broker.schema.execution.context import Context
from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.schema.limits.visibility import may_open_page
from dasf_broker.transports.connection import origins
from dasf_broker.transports.graphql.execution import (
    Call,
    GraphQLRequest,
    Result,
    execute,
    operation_type,
)
from dasf_broker.transports.http.accept import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    JSON,
    accepts_graphql_json,
    accepts_html,
    prefers_events,
)
from dasf_broker.transports.http.body import TOO_LARGE, check_length
from dasf_broker.transports.http.graphiql import render_page
from dasf_broker.transports.json_codec import read_json, write_json

_NO_EVENTS = (
    f"This server cannot send events ({EVENT_STREAM}) here. Use `broker_application` of "
    "`dasf_broker.routing` in asgi.py, without `through_middleware`; or use a websocket."
)

_NO_SUBSCRIPTIONS = (
    "This server runs by WSGI, which has neither websockets nor events: it answers queries and "
    "mutations, and no subscriptions. Serve asgi.py with `broker_application` of "
    "`dasf_broker.routing` for them, for example by uvicorn."
)

_NO_PAGE = (
    "You may not open this page: see the setting DASF_GRAPHIQL. Log in as staff, or send queries "
    "by POST."
)

T = TypeVar("T")


def _answering_errors(
    handle: Callable[..., Awaitable[T]],
) -> Callable[..., Awaitable[T | HttpResponse]]:
    """Answer the exceptions of a method: Django's debug page would show too much."""

    @wraps(handle)
    async def handle_or_refuse(self: Any, request: HttpRequest, *args: Any) -> T | HttpResponse:
        try:
            return await handle(self, request, *args)
        except SuspiciousOperation:
            return refuse(request, BadInputError("Django refused the request as suspicious."))
        except Exception as error:  # noqa: BLE001 - the client gets it, and the log if needed
            return refuse(request, error)

    return handle_or_refuse


class GraphQLView(View):
    """The GraphQL endpoint as a Django view.

    ``GraphQLView.as_view(schema=...)`` serves another schema than ``DASF_GRAPHQL_SCHEMA``.
    """

    http_method_names = ["get", "post", "options"]
    schema: Schema | None = None

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Return the view function, without a transaction of the request.

        The function is marked, and not ``dispatch``, which a host's own view may replace.

        Raises
        ------
        ImproperlyConfigured
            The schema is not one of the broker.
        """
        if (schema := options.get("schema", cls.schema)) is not None:
            checked(schema, "The schema of the view")
        # `_identify` checks the origin, for callers with a session cookie only.
        return csrf_exempt(database.non_atomic_requests(super().as_view(**options)))

    async def post(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
        """Execute the query or mutation in the body."""
        if prefers_events(request):
            reason = _NO_SUBSCRIPTIONS if _is_wsgi(request) else _NO_EVENTS
            return refuse(request, BadInputError(reason), status=406)
        call = await self.read(request)
        return call if isinstance(call, HttpResponse) else await self._execute(request, call)

    async def get(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
        """Return GraphiQL to browsers; answer a query in the URL, if that is allowed."""
        if _is_wsgi(request) and request.headers.get("upgrade", "").lower() == "websocket":
            return refuse(request, BadInputError(_NO_SUBSCRIPTIONS))
        if accepts_html(request):
            return await self._page(request)
        if app_settings.DASF_GET_QUERIES and "query" in request.GET:
            call = await self.read(request)
            if isinstance(call, HttpResponse):
                return call
            if self._changes_nothing(call.request):
                response = await self._execute(request, call)
                add_never_cache_headers(response)
                return response
        response = refuse(request, BadInputError("Send the request by POST."), status=405)
        response["Allow"] = "POST"
        return response

    @_answering_errors
    async def read(self, request: HttpRequest) -> Call | HttpResponse:
        """Return the GraphQL request with its caller, or the answer if it is refused."""
        # First, so that the CSRF check does not read a form.
        if request.method != "GET" and not _is_plain_json(request):
            return refuse(
                request, BadInputError(f"Send {JSON} in UTF-8, not compressed."), status=415
            )
        identity = await self._identify(request)
        if request.method == "GET":
            size = len(request.META.get("QUERY_STRING", ""))
            wanted = GraphQLRequest.read(_in_url(request), size=size)
        else:
            wanted = GraphQLRequest.read(read_json(_body(request)), size=len(request.body))
        context = Context(
            identity.caller,
            root_url=_root_url(request),
            resume_after=request.headers.get("last-event-id"),
        )
        return Call(identity, wanted, context)

    @_answering_errors
    async def _page(self, request: HttpRequest) -> HttpResponse:
        user = await user_of_request(request) or AnonymousUser()
        if not may_open_page(user):
            raise ForbiddenError(_NO_PAGE)
        return await render_page(request, user)

    @_answering_errors
    async def _execute(self, request: HttpRequest, call: Call) -> HttpResponse:
        if _is_wsgi(request) and self._kind(call.request) is OperationType.SUBSCRIPTION:
            raise BadInputError(_NO_SUBSCRIPTIONS)
        result = await execute(self.schema or served_schema(), call.request, call.context)
        return _respond(request, result, status=200 if _is_ok(request, result) else 400)

    def _changes_nothing(self, wanted: GraphQLRequest) -> bool:
        return self._kind(wanted) in {OperationType.QUERY, None}

    def _kind(self, wanted: GraphQLRequest) -> OperationType | None:
        try:
            return operation_type(self.schema or served_schema(), wanted)
        except (InvalidDocumentError, PayloadTooLargeError):
            return None  # it is not executed, and the answer has the errors

    async def _identify(self, request: HttpRequest) -> Identity:
        identity = await identify_request(request)
        if identity.by_session and request.method == "GET":
            raise ForbiddenError(
                "A GET with a session cookie may come from any page: send the query by POST, or "
                "use an API token."
            )
        if identity.by_session and (reason := _CsrfCheck.reason(request)):
            raise ForbiddenError(
                f"{reason} Send the CSRF token as the header X-CSRFToken, or use an API token."
            )
        return identity


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, for a view that needs it only for callers with a session cookie."""

    @classmethod
    def reason(cls, request: HttpRequest) -> str | None:
        """Return why the request may come from another site; ``None`` if it does not."""
        check = cls(lambda _: HttpResponse())
        check.process_request(request)
        # Django reads only `csrf_exempt` of the view, which `HttpResponse` does not have.
        return cast("str | None", check.process_view(request, HttpResponse, (), {}))

    def _origin_verified(self, request: HttpRequest) -> bool:
        # Pages that may use their visitor's cookie on sockets may do so here.
        is_verified: bool = super()._origin_verified(request)  # type: ignore[misc]
        return is_verified or origins.is_trusted(request)

    def _reject(self, request: HttpRequest, reason: str) -> str:  # noqa: ARG002
        return reason


def _is_wsgi(request: HttpRequest) -> bool:
    return isinstance(request, WSGIRequest)


def _in_url(request: HttpRequest) -> dict[str, Any]:
    texts = {name: str(text) for name, text in request.GET.items()}
    values = ("variables", "extensions")
    return {name: read_json(text) if name in values else text for name, text in texts.items()}


def _is_plain_json(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    is_plain = charset in ("utf-8", "utf8") and encoding == "identity"
    return request.content_type == JSON and is_plain


def _body(request: HttpRequest) -> str:
    check_length(request.META.get("CONTENT_LENGTH"))
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        if not hasattr(request, "_body") and limit is not None:
            # Not `request.body`, which reads chunks without a limit.
            request._body = request.read(limit + 1)
            request._stream = BytesIO(request._body)
        body = request.body
    except UnreadablePostError:
        raise BadInputError("The request ended before its body was complete.") from None
    if limit is not None and len(body) > limit:
        raise PayloadTooLargeError(TOO_LARGE)
    try:
        return body.decode()  # strict: `json` would accept UTF-16 as well
    except UnicodeDecodeError:
        raise BadInputError("The request is not UTF-8.") from None


def _root_url(request: HttpRequest) -> str:
    try:
        root = f"{request.scheme}://{request.get_host()[:MAX_TEXT]}"
    except DisallowedHost:
        raise BadInputError(
            "The host of the request is not in ALLOWED_HOSTS of this server."
        ) from None
    return f"{root}{request.META.get('SCRIPT_NAME', '')}"


def _is_ok(request: HttpRequest, result: Result) -> bool:
    # The older media type has the status 200 for every well-formed request.
    return result.was_executed or not accepts_graphql_json(request)


def _respond(request: HttpRequest, result: Result, *, status: int) -> HttpResponse:
    kind = GRAPHQL_JSON if accepts_graphql_json(request) else JSON
    return HttpResponse(
        write_json(result.body).encode(),
        status=status,
        content_type=f"{kind}; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def refuse(request: HttpRequest, error: Exception, *, status: int | None = None) -> HttpResponse:
    """Answer a request that failed as a whole.

    Parameters
    ----------
    request
        The request; the answer has the media type that it accepts.
    error
        The reason.
    status
        An HTTP status instead of that of the error.
    """
    answer = answer_to(error)
    result = Result({"errors": [format_answer(answer)]})
    response = _respond(request, result, status=status or answer.status)
    if answer.retry_after is not None:
        response["Retry-After"] = str(answer.retry_after)
    return response
