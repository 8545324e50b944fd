"""From which address somebody calls, on doors of either kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dasf_broker import app_settings
from dasf_broker.domain.addresses import client_address

if TYPE_CHECKING:
    from django.http import HttpRequest


def address_of_request(request: HttpRequest) -> str | None:
    """Return the address behind a request of Django's."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    return client_address(request.META.get("REMOTE_ADDR"), forwarded, app_settings.DASF_NUM_PROXIES)


def address_of_scope(scope: Mapping[str, Any]) -> str | None:
    """Return the address behind a connection of ASGI's."""
    forwarded = ",".join(  # a proxy may add a line of its own
        value.decode("latin-1")
        for name, value in scope.get("headers", ())
        if name.lower() == b"x-forwarded-for"
    )
    peer = scope.get("client")
    return client_address(peer[0] if peer else None, forwarded, app_settings.DASF_NUM_PROXIES)
