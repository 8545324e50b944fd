"""Tell which web pages may open a socket.

Browsers send cookies with a websocket from every page, and send ``Origin`` so that the server can
refuse it. Other programs send no ``Origin``, and have no cookies that another page could use.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost

from dasf_broker import app_settings
from dasf_broker.transports.connection.handshake import Handshake


def is_allowed(handshake: Handshake) -> bool:
    """Tell whether a program, a page of this server or a page of a listed origin opens a socket."""
    origin = handshake.headers.get("origin")
    if origin is None:
        return True
    allowed = {*app_settings.DASF_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS}
    return origin in allowed or "*" in allowed or _is_own(origin, handshake)


def _is_own(origin: str, handshake: Handshake) -> bool:
    try:
        return urlsplit(origin).netloc == handshake.get_host()
    except DisallowedHost:
        return False  # another host name that points to this server is not allowed
    except ValueError:
        return False  # brackets without an address
