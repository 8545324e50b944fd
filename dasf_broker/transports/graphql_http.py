"""GraphQL over HTTP: ``POST`` with JSON, and a page for browsers.

Specification: https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from graphql import GraphQLError
from strawberry import Schema

from dasf_broker import database
from dasf_broker.auth import Identity, identify, identify_token
from dasf_broker.exceptions import (
    BadInputError,
    BrokerError,
    ForbiddenError,
    PayloadTooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from dasf_broker.schema import served_schema
from dasf_broker.schema.context import Context
from dasf_broker.transports.requests import (
    GraphQLRequest,
    Result,
    execute,
)
from dasf_broker.transports.wire import read_json, write_json

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

TOO_LARGE = "The request is larger than DATA_UPLOAD_MAX_MEMORY_SIZE allows."

#: Statuses of requests that come to nothing; all others are answered 400.
_STATUS = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    PayloadTooLargeError: 413,
    UnavailableError: 503,
    BrokerError: 500,
}


@method_decorator(csrf_exempt, name="dispatch")  # checked below, for callers with a cookie only
class GraphQLView(View):
    """The GraphQL endpoint as a Django view.

    ``GraphQLView.as_view(schema=...)`` serves another schema than ``DASF_GRAPHQL_SCHEMA``.
    """

    http_method_names = ["get", "post", "options"]
    schema: Schema | None = None

    async def post(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
        """Execute the query or mutation in the body."""
        try:
            identity = await self._identify(request)
            if request.content_type != JSON:
                return refuse(request, BadInputError(f"Send {JSON}."), status=415)
            wanted = GraphQLRequest.read(read_json(_body(request)))
            context = Context(identity.caller, root_url=_root_url(request))
        except BrokerError as error:
            return refuse(request, error)
        result = await execute(self.schema or served_schema(), wanted, context)
        return _respond(request, result, status=200 if _is_fine(request, result) else 400)

    async def get(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
        """Show people where they are. Nothing is executed by a GET."""
        if not request.accepts("text/html"):
            response = refuse(request, BadInputError("Send the query by POST."), status=405)
            response["Allow"] = "POST"
            return response
        page = {"endpoint": request.path}
        response = await database.read(render, request, "dasf_broker/graphql.html", page)
        response["Content-Security-Policy"] = _page_policy(request)
        add_never_cache_headers(response)  # it holds this visitor's CSRF token
        return response

    async def _identify(self, request: HttpRequest) -> Identity:
        if (authorization := request.headers.get("authorization")) is not None:
            return await identify_token(authorization)
        user = await request.auser() if hasattr(request, "auser") else None
        identity = await database.read(identify, None, user)
        if identity.by_session and (reason := _CsrfCheck.reason(request)):
            raise ForbiddenError(
                f"{reason} Send the CSRF token as the header X-CSRFToken, or use an API token."
            )
        return identity


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own rule, for a view that needs it only when a cookie vouches for the caller."""

    @classmethod
    def reason(cls, request: HttpRequest) -> str | None:
        """Return why the request may be another site's; ``None`` if it is not."""
        check = cls(lambda _: HttpResponse())
        check.process_request(request)
        # The view matters only for being exempt, which `HttpResponse` is not.
        return cast("str | None", check.process_view(request, HttpResponse, (), {}))

    def _reject(self, request: HttpRequest, reason: str) -> str:  # noqa: ARG002
        return reason


def _page_policy(request: HttpRequest) -> str:
    # Scripts and styles come from where static files are, which may be another host.
    files = urlsplit(static("dasf_broker/graphql.js"))
    static_host = f" {files.scheme + '://' if files.scheme else ''}{files.netloc}".rstrip()
    # Some browsers do not count the websocket of the same host as 'self'.
    socket = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
    return (
        f"default-src 'none'; script-src 'self'{static_host}; style-src 'self'{static_host}; "
        f"connect-src 'self' {socket}; img-src 'self' data:; form-action 'none'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig:
        raise PayloadTooLargeError(TOO_LARGE) from None


def _root_url(request: HttpRequest) -> str:
    try:
        return request.build_absolute_uri("/")
    except DisallowedHost:
        raise BadInputError("ALLOWED_HOSTS of this server does not have that host.") from None


def _accepts_graphql_json(request: HttpRequest) -> bool:
    # Only where it is named: `*/*` comes from clients that know nothing of the newer type. Not
    # with `get_preferred_type`, for which `;charset=utf-8` makes another type.
    quality = {f"{each.main_type}/{each.sub_type}": each.quality for each in request.accepted_types}
    return 0 < quality.get(GRAPHQL_JSON, 0) >= quality.get(JSON, 0)


def _is_fine(request: HttpRequest, result: Result) -> bool:
    # The older media type says 200 whenever the request was well-formed.
    return result.was_executed or not _accepts_graphql_json(request)


def _respond(request: HttpRequest, result: Result, *, status: int) -> HttpResponse:
    kind = GRAPHQL_JSON if _accepts_graphql_json(request) else JSON
    return HttpResponse(
        write_json(result.body),
        status=status,
        content_type=f"{kind}; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def refuse(request: HttpRequest, error: BrokerError, *, status: int | None = None) -> HttpResponse:
    """Answer a request that came to nothing.

    Parameters
    ----------
    request
        What is answered, in the media type that it asks for.
    error
        Why.
    status
        Instead of the one that goes with the error.
    """
    result = Result.refused(GraphQLError(str(error), original_error=error))
    return _respond(request, result, status=status or _STATUS.get(type(error), 400))
