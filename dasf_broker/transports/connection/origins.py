"""Tell which web pages may open a socket, and for which of them a session cookie counts.

Browsers send cookies with a websocket from every page, and send ``Origin`` so that the server can
refuse it. Other programs send no ``Origin``, and have no cookies that another page could use.

Own pages and pages of a listed origin are *trusted*: the cookie of their visitor counts. ``*`` in
``DASF_ALLOWED_ORIGINS`` allows all other pages, too, but their visitors need a token.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from dasf_broker import app_settings
from dasf_broker.domain.origins import Origin, OriginList


def is_allowed(request: HttpRequest) -> bool:
    """Tell whether a program, or a page that may do so, opens a socket."""
    origin = request.headers.get("origin")
    return origin is None or _allowed().has_any or is_trusted(request)


def is_trusted(request: HttpRequest) -> bool:
    """Tell whether the request comes from a page of this server or of a listed origin."""
    origin = Origin.parse(request.headers.get("origin", ""))
    if origin is None:
        return False
    trusted = OriginList.of(settings.CSRF_TRUSTED_ORIGINS)
    return _allowed().names(origin) or trusted.names(origin) or origin in _own(request)


def _allowed() -> OriginList:
    return OriginList.of(app_settings.DASF_ALLOWED_ORIGINS)


def _own(request: HttpRequest) -> tuple[Origin | None, ...]:
    root = urlsplit(app_settings.ROOT_URL or "")
    public = Origin.parse(f"{root.scheme}://{root.netloc}")
    try:
        return Origin.parse(f"{request.scheme}://{request.get_host()}"), public
    except DisallowedHost:
        return (public,)  # another host name that points to this server is not allowed
