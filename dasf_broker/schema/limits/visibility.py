"""Who may look at the API itself: ask for its schema, and open the page for browsers."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from dasf_broker import app_settings
from dasf_broker.app_settings import Audience


def may_introspect(user: Any) -> bool:
    """Tell whether a user may ask what types and fields there are."""
    return _is_in(app_settings.DASF_INTROSPECTION, user)


def may_open_page(user: Any) -> bool:
    """Tell whether a user may open the page for browsers."""
    return _is_in(app_settings.DASF_GRAPHIQL, user)


def _is_in(audience: Audience | None, user: Any) -> bool:
    if audience is None:
        audience = Audience.EVERYBODY if settings.DEBUG else Audience.STAFF
    if audience is Audience.STAFF:
        # Models of hosts' own may not know what staff is.
        return bool(user.is_active and getattr(user, "is_staff", False))
    return audience is Audience.EVERYBODY
