"""Which pages may open a socket here.

Browsers send cookies with a websocket whichever page opens it, and send ``Origin`` so that the
server can refuse. Programs send no ``Origin``, and have no cookies that another page could use.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost

from dasf_broker import app_settings
from dasf_broker.transports.connection.handshake import Handshake


def is_allowed(handshake: Handshake) -> bool:
    """Tell whether it comes from a program, from our own pages, or from listed ones."""
    origin = handshake.headers.get("origin")
    if origin is None:
        return True
    allowed = {*app_settings.DASF_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS}
    return origin in allowed or "*" in allowed or _is_own(origin, handshake)


def _is_own(origin: str, handshake: Handshake) -> bool:
    try:
        return urlsplit(origin).netloc == handshake.get_host()
    except DisallowedHost:
        return False  # a name that somebody else points at this server is not our own
    except ValueError:
        return False  # brackets that enclose no address
