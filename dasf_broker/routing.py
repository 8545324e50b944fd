"""The websocket routes, and an ASGI application with all endpoints of the broker.

In the host's ``asgi.py``::

    django_application = get_asgi_application()
    from dasf_broker.routing import broker_application
    application = broker_application(django_application)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from channels.routing import URLRouter
from django.conf import settings
from django.urls import get_script_prefix, path, re_path, reverse

from dasf_broker import app_settings, runtime
from dasf_broker.schema import served_schema
from dasf_broker.transports.http.asgi import BodyLimitMiddleware, GraphQLMiddleware
from dasf_broker.transports.lifespan import lifespan
from dasf_broker.transports.websocket.dasf import (
    ConsumerSocket,
    ProducerSocket,
    StatusPingSocket,
)
from dasf_broker.transports.websocket.graphql import GraphQLWebSocket

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
        The path of GraphQL's websocket; by default the path of GraphQL in ``dasf_broker.urls``.
    through_middleware
        Whether GraphQL over HTTP uses the host's Django middleware. Each request then takes several
        times as long. The endpoint checks limits, credentials, CSRF and hosts without it, too.

    Raises
    ------
    ImproperlyConfigured
        ``DASF_GRAPHQL_SCHEMA`` is not a schema of the broker.
    """
    served_schema()
    if graphql_path is None:
        graphql_path = reverse("dasf_broker:graphql").removeprefix(get_script_prefix())
    route = app_settings.DASF_WEBSOCKET_URL_ROUTE.strip("/")
    routes = [
        *websocket,
        path(graphql_path.lstrip("/"), cast("Any", GraphQLWebSocket())),
        path(f"{route}/" if route else "", URLRouter(websocket_urlpatterns)),
        re_path("", cast("Any", _refuse_unknown_path)),
    ]
    http = (BodyLimitMiddleware if through_middleware else GraphQLMiddleware)(graphql_path, http)
    sockets = URLRouter(routes)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        runtime.current().start()
        if scope["type"] == "websocket":
            await sockets(_below_script_name(scope), receive, send)
        else:
            await http(scope, receive, send)

    return application


def _below_script_name(scope: Any) -> Any:
    # Django itself applies FORCE_SCRIPT_NAME; channels uses only the server's `root_path`.
    name = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    if not name or not scope["path"].startswith(f"{name}/"):
        return scope
    return {**scope, "root_path": scope.get("root_path") or name}


async def _refuse_unknown_path(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Refuse a socket at an unknown path (HTTP 403), instead of failing."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})
