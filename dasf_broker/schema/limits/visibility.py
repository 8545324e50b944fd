"""Tell which users may query the schema and open GraphiQL."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from dasf_broker import app_settings
from dasf_broker.app_settings import Visibility


def may_introspect(user: Any) -> bool:
    """Tell whether a user may query the types and fields of the schema."""
    return _is_visible(app_settings.DASF_INTROSPECTION, user)


def may_open_page(user: Any) -> bool:
    """Tell whether a user may open GraphiQL."""
    return _is_visible(app_settings.DASF_GRAPHIQL, user)


def _is_visible(visibility: Visibility | None, user: Any) -> bool:
    if visibility is None:
        visibility = Visibility.EVERYBODY if settings.DEBUG else Visibility.STAFF
    if visibility is Visibility.STAFF:
        # A host's own user model may have no `is_staff`.
        return bool(user.is_active and getattr(user, "is_staff", False))
    return visibility is Visibility.EVERYBODY
