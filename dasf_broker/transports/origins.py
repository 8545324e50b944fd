"""Which pages may open a socket here.

Browsers send cookies with a websocket whichever page opens it, and send ``Origin`` so that the
server can refuse. Programs send no ``Origin``, and have no cookies that another page could use.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from dasf_broker import app_settings

#: Hosts that Django allows while debugging, when none are configured.
_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def is_allowed(headers: Mapping[str, str]) -> bool:
    """Tell whether the request comes from a program, from our own pages, or from listed ones."""
    origin = headers.get("origin")
    if origin is None:
        return True
    allowed = {*app_settings.DASF_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS}
    return origin in allowed or "*" in allowed or _is_same(origin, headers.get("host", ""))


def _is_same(origin: str, host: str) -> bool:
    # A name that somebody else points at this server must not count as our own.
    allowed = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else [])
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed) and _host_of(origin) == host


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # brackets that enclose no address
        return None
