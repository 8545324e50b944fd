"""The ASGI application of dasf-broker-django, as its documentation has it."""

from __future__ import annotations

from typing import Any

import django

django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - Django first
from dasf_broker.token_auth_middleware import (  # type: ignore[import-not-found]  # noqa: E402
    TokenAuthMiddlewareStack,
)
from django.core.asgi import get_asgi_application  # noqa: E402

from dasf_broker.routing import websocket_urlpatterns  # noqa: E402

urlpatterns: list[Any] = []
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": TokenAuthMiddlewareStack(URLRouter(websocket_urlpatterns)),
    }
)
