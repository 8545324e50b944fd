"""The address of a client, behind proxies too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dasf_broker import app_settings
from dasf_broker.domain.client_address import client_address

if TYPE_CHECKING:
    from django.http import HttpRequest


def address_of_request(request: HttpRequest) -> str | None:
    """Return the address behind a request, be it for an answer or for a websocket."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    return client_address(request.META.get("REMOTE_ADDR"), forwarded, app_settings.DASF_NUM_PROXIES)
