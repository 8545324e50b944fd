"""Moments, which have an offset everywhere, also in projects with ``USE_TZ = False``.

Such a project stores local times of its ``TIME_ZONE``. They cannot be compared with other times,
and in an hour of each autumn each of them comes twice. So they become moments where the broker
reads them, and local times only where it writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import timezone as Offset  # noqa: N812 - Django has a module of that name
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def now() -> datetime:
    """Return the present moment."""
    return timezone.now() if settings.USE_TZ else datetime.now(UTC)  # noqa: TID251 - only here


def moment(time: datetime) -> datetime:
    """Return a time as a moment; without an offset it is a local time of ``TIME_ZONE``."""
    if time.tzinfo is not None:
        return time
    local = timezone.make_aware(time, timezone.get_default_timezone())
    # Python compares times of one zone by their clocks, and so takes two moments of an autumn
    # night for the same. With the offset alone they are not.
    return local.replace(tzinfo=Offset(local.utcoffset() or timedelta(0)), fold=0)


def to_show(time: datetime) -> datetime:
    """Return a time as callers see it: with an offset and, if it is the broker's, in UTC."""
    found = moment(time)
    return found if settings.USE_TZ else found.astimezone(UTC)


def to_store(time: datetime, connection: BaseDatabaseWrapper) -> datetime:
    """Return a time as Django writes it to a database."""
    if settings.USE_TZ or time.tzinfo is None or connection.features.supports_timezones:
        return time
    return timezone.make_naive(time, timezone.get_default_timezone())
