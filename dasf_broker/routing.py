"""The websocket doors, and one helper that hangs them all.

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
from dasf_broker.transports.http.asgi import BodyLimitMiddleware, GraphQLDoor
from dasf_broker.transports.lifespan import lifespan
from dasf_broker.transports.websocket.dasf import (
    ConsumerSocket,
    ProducerSocket,
    StatusPingSocket,
)
from dasf_broker.transports.websocket.graphql import GraphQLWebSocket

Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

#: The DASF websockets, to be hung under ``DASF_WEBSOCKET_URL_ROUTE``.
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

    It does the housekeeping of the broker too, unless ``DASF_HOUSEKEEPING`` says that another
    process does: from the start, or from the first connection on where the server (daphne) does
    not speak the ASGI lifespan protocol. At the end of the server it finishes what is being
    written. A lifespan of ``http`` itself is not called, because Django has none; a host that
    answers the protocol by itself calls ``start_up`` and ``shut_down`` of
    :mod:`dasf_broker.runtime`.

    Parameters
    ----------
    http
        Django's ASGI application.
    websocket
        Websocket routes of the host's own, tried first.
    graphql_path
        Where GraphQL's websocket hangs; without it, where ``dasf_broker.urls`` has the HTTP one.
    through_middleware
        Whether GraphQL over HTTP goes through the host's middleware, for hosts that need theirs
        there. It makes each request several times as expensive; what the endpoint itself needs
        (limits, credentials, CSRF, hosts) is done without it, too.
    """
    if graphql_path is None:
        graphql_path = reverse("dasf_broker:graphql").removeprefix(get_script_prefix())
    route = app_settings.DASF_WEBSOCKET_URL_ROUTE.strip("/")
    routes = [
        *websocket,
        path(graphql_path.lstrip("/"), cast("Any", GraphQLWebSocket())),
        path(f"{route}/" if route else "", URLRouter(websocket_urlpatterns)),
        re_path("", cast("Any", _nothing_here)),
    ]
    http = (BodyLimitMiddleware if through_middleware else GraphQLDoor)(graphql_path, http)
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
    # Django obeys FORCE_SCRIPT_NAME by itself; channels knows only what the server says.
    name = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    if not name or not scope["path"].startswith(f"{name}/"):
        return scope
    return {**scope, "root_path": scope.get("root_path") or name}


async def _nothing_here(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Refuse a socket at a path where there is none (HTTP 403), instead of failing."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})
