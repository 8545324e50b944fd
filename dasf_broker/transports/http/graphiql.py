"""GraphiQL, the page for browsers at the GraphQL endpoint, from our own static files."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse, set_script_prefix
from django.utils.cache import add_never_cache_headers
from django.utils.translation import get_language, override

from dasf_broker import database

TEMPLATE = "dasf_broker/graphql.html"
SCRIPT = "dasf_broker/graphiql/main.js"


async def render_page(request: HttpRequest, user: Any) -> HttpResponse:
    """Return GraphiQL for a user."""
    return await database.read(_render_as, get_script_prefix(), get_language(), request, user)


def _render_as(prefix: str, language: str | None, request: HttpRequest, user: Any) -> HttpResponse:
    # Django keeps both in thread-locals, which are not set in the broker's threads.
    before = get_script_prefix()
    set_script_prefix(prefix)
    try:
        with override(language):
            return _render(request, user)
    finally:
        set_script_prefix(before)


def _render(request: HttpRequest, user: Any) -> HttpResponse:
    context = {"admin_url": _admin_url(user)}
    response = render(request, TEMPLATE, context)
    response["Content-Security-Policy"] = _policy(request)
    response["X-Content-Type-Options"] = "nosniff"
    add_never_cache_headers(response)  # it contains this visitor's CSRF token
    return response


def _admin_url(user: Any) -> str | None:
    if not (user.is_active and getattr(user, "is_staff", False)):
        return None
    try:
        return reverse("admin:index")
    except NoReverseMatch:
        return None


def _policy(request: HttpRequest) -> str:
    # Scripts and styles are static files, which may be on another host.
    files = urlsplit(static(SCRIPT))
    static_host = f" {files.scheme + '://' if files.scheme else ''}{files.netloc}".rstrip()
    # A worker must come from the page's own host: a blob of the page loads the static script.
    worker = " blob:" if static_host else ""
    # Some browsers do not count the websocket of the same host as 'self'.
    socket = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
    return (
        f"default-src 'none'; script-src 'self'{static_host}; "
        # The editor (Monaco) writes styles into its HTML.
        f"style-src 'self' 'unsafe-inline'{static_host}; "
        f"worker-src 'self'{worker}; connect-src 'self' {socket}; "
        # The style sheet embeds icons and their font.
        "img-src 'self' data:; font-src data:; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
