"""Tell which users may query the schema and open GraphiQL."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from dasf_broker import app_settings, database
from dasf_broker.app_settings import Visibility
from dasf_broker.permissions import present_user


async def may_introspect(user: Any) -> bool:
    """Tell whether a user may now query the types and fields of the schema.

    Raises
    ------
    UnavailableError
        The database does not answer.
    """
    audience = _audience(app_settings.DASF_INTROSPECTION)
    if audience is Visibility.STAFF:  # read now: the row is as old as the user's connection
        return _is_staff(await database.read(present_user, user))
    return audience is Visibility.EVERYBODY


def may_open_page(user: Any) -> bool:
    """Tell whether a user, whose row was read for this request, may open GraphiQL."""
    audience = _audience(app_settings.DASF_GRAPHIQL)
    return audience is Visibility.EVERYBODY or (audience is Visibility.STAFF and _is_staff(user))


def _audience(chosen: Visibility | None) -> Visibility:
    if chosen is None:
        return Visibility.EVERYBODY if settings.DEBUG else Visibility.STAFF
    return chosen


def _is_staff(user: Any) -> bool:
    # A host's own user model may have no `is_staff`.
    return bool(user is not None and user.is_active and getattr(user, "is_staff", False))
