"""The URLs of the DASF websockets of topics."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from dasf_broker import app_settings


def websocket_url(root: str, route: str | None = None) -> str:
    """Return the absolute websocket URL of a DASF route.

    Parameters
    ----------
    root
        Scheme and host of the server; the setting ``ROOT_URL`` takes precedence. The path of
        ``FORCE_SCRIPT_NAME`` is added if it is missing.
    route
        What follows ``DASF_WEBSOCKET_URL_ROUTE``: a topic's slug, or nothing.
    """
    root = (app_settings.ROOT_URL or root).rstrip("/")
    prefix = (settings.FORCE_SCRIPT_NAME or "").strip("/")
    if prefix and not urlsplit(root).path.endswith(f"/{prefix}"):
        root = f"{root}/{prefix}"
    path = app_settings.DASF_WEBSOCKET_URL_ROUTE.strip("/")
    return f"ws{root.removeprefix('http')}/{f'{path}/' if path else ''}{route or ''}"
