"""The address of a client, also behind proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dasf_broker import app_settings
from dasf_broker.domain.client_address import client_address

if TYPE_CHECKING:
    from django.http import HttpRequest


def address_of_request(request: HttpRequest) -> str | None:
    """Return the address of the client that sent a request or opened a websocket."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    return client_address(request.META.get("REMOTE_ADDR"), forwarded, app_settings.DASF_NUM_PROXIES)
