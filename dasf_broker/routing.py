"""The websocket routes, and an ASGI application with all endpoints of the broker.

In the host's ``asgi.py``::

    django_application = get_asgi_application()
    from dasf_broker.routing import broker_application
    application = broker_application(django_application)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from typing import Any, TypeAlias, cast

from channels.routing import URLRouter
from django.urls import URLPattern, get_script_prefix, path, re_path, reverse

from dasf_broker import app_settings, runtime
from dasf_broker.schema import served_schema
from dasf_broker.transports.http.asgi import BodyLimitMiddleware, GraphQLMiddleware
from dasf_broker.transports.http.django_view import GraphQLView
from dasf_broker.transports.lifespan import lifespan
from dasf_broker.transports.url_paths import UrlPaths, path_below_script
from dasf_broker.transports.websocket.dasf import (
    ConsumerSocket,
    ProducerSocket,
    StatusPingSocket,
)
from dasf_broker.transports.websocket.graphql import GraphQLWebSocket
from dasf_broker.views import BrokerTopicPingView, BrokerTopicStatusView

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

#: The DASF websockets, below ``DASF_WEBSOCKET_URL_ROUTE``.
websocket_urlpatterns: list[Any] = [
    path("status-ping", StatusPingSocket.as_asgi()),
    path("<slug:slug>", ProducerSocket.as_asgi()),
    path("<slug:slug>/<str:subscription>", ConsumerSocket.as_asgi()),
]


def broker_application(
    http: Any,
    *,
    websocket: Sequence[Any] = (),
    graphql_path: str | None = None,
    through_middleware: bool = False,
) -> Application:
    """Return an ASGI application with the host's HTTP and all of the broker's websockets.

    It also does the housekeeping of the broker, unless ``DASF_HOUSEKEEPING`` is off: from the start
    of the server, or from the first connection on if the server (daphne) does not support the ASGI
    lifespan protocol. When the server stops, it completes all writes. It does not call a lifespan
    of ``http``, because Django has none; a host that answers the protocol itself calls ``start_up``
    and ``shut_down`` of :mod:`dasf_broker.runtime`.

    Parameters
    ----------
    http
        Django's ASGI application.
    websocket
        The host's own websocket routes, which are tried first.
    graphql_path
        The path of GraphQL's websocket; by default each path at which the host's URLs have GraphQL.
    through_middleware
        Whether GraphQL over HTTP uses the host's Django middleware. Each request then takes several
        times as long. The endpoint checks limits, credentials, CSRF and hosts without it, too.

    Raises
    ------
    ImproperlyConfigured
        ``DASF_GRAPHQL_SCHEMA`` is not a schema of the broker.
    """
    served_schema()
    graphql = _graphql_paths() if graphql_path is None else {f"/{graphql_path.lstrip('/')}"}
    pages = UrlPaths(_is_page_of_topic)
    kind = BodyLimitMiddleware if through_middleware else GraphQLMiddleware
    http, sockets = kind(graphql, pages, http), _sockets(websocket, graphql)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        runtime.current().start()
        await (sockets if scope["type"] == "websocket" else http)(scope, receive, send)

    return application


def _graphql_paths() -> Container[Any]:
    if found := UrlPaths(_is_graphql):
        return found
    # A view of the host's own has the name.
    return {f"/{reverse('dasf_broker:graphql').removeprefix(get_script_prefix())}"}


def _is_graphql(pattern: URLPattern) -> bool:
    """Tell whether a view is GraphQL as it is served beside Django: as it is, not decorated."""
    view: Any = pattern.callback
    if getattr(view, "view_class", None) is not GraphQLView or view.view_initkwargs:
        return False
    return [*_codes(view)] == [*_codes(GraphQLView.as_view())]


def _codes(view: Any) -> Iterator[Any]:
    """Yield the code of a view's function, and of what decorators put around it."""
    while view is not None:
        yield getattr(view, "__code__", None)
        view = getattr(view, "__wrapped__", None)


def _is_page_of_topic(pattern: URLPattern) -> bool:
    pages = (BrokerTopicPingView, BrokerTopicStatusView)
    return getattr(pattern.callback, "view_class", None) in pages


def _sockets(websocket: Sequence[Any], graphql: Container[Any]) -> Application:
    """Return the application of all websockets; the host's own routes are tried first."""
    route = app_settings.DASF_WEBSOCKET_URL_ROUTE.strip("/")
    dasf = URLRouter(
        [
            path(f"{route}/" if route else "", URLRouter(websocket_urlpatterns)),
            re_path("", cast("Any", _refuse_unknown_path)),
        ]
    )
    graphql_socket = GraphQLWebSocket()

    async def serve_ours(scope: Any, receive: Any, send: Any) -> None:
        is_graphql = f"/{scope['path_remaining']}" in graphql
        await (graphql_socket if is_graphql else dasf)(scope, receive, send)

    router = URLRouter([*websocket, re_path("", cast("Any", serve_ours))])

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        # Channels itself applies only `root_path`, and fails where a proxy removed it.
        await router({**scope, "path_remaining": path_below_script(scope)}, receive, send)

    return serve


async def _refuse_unknown_path(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Refuse a socket at an unknown path (HTTP 403), instead of failing."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})
