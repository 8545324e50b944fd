"""Callers without an account: guardian's anonymous user, or nobody where that has no row.

The row may be missing: a host may do without it (``ANONYMOUS_USER_NAME = None``), it may have been
deleted, or the user model may not allow it. Then nobody gave such callers a right, and they may do
what everybody may with public topics.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from guardian.conf import settings as guardian_settings
from guardian.utils import get_anonymous_user

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class _Key(Enum):
    NOBODY = "nobody"

    def __str__(self) -> str:
        return self.value


#: In place of the primary key of an anonymous user without a row. No row has it, and it is not the
#: ``None`` of the server itself, which may do everything: a query that gets it by mistake fails.
NOBODY: Final[Any] = _Key.NOBODY


def anonymous_user() -> User | None:
    """Return guardian's anonymous user; ``None`` if it has no row. At most one query."""
    if guardian_settings.ANONYMOUS_USER_NAME is None:
        return None
    try:
        row: User = get_anonymous_user()
    except (ObjectDoesNotExist, MultipleObjectsReturned):
        return None
    return row


def nobody() -> User:
    """Return a user without a row, who holds no right."""
    model = get_user_model()
    return model(pk=NOBODY)


def user_or_anonymous(user: User | AnonymousUser | None) -> User:
    """Return the row that holds the rights of a caller, or :func:`nobody`."""
    if user is None or not user.is_authenticated:
        return anonymous_user() or nobody()
    return user
