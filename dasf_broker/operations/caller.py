"""The caller of an operation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

from dasf_broker.permissions import user_or_anonymous

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks the broker for something, whichever door they came through."""

    #: A row of the user model; guardian's anonymous user for anonymous callers.
    user: User
    is_anonymous: bool = False
    #: Where they call from, as far as it is known; only for counting.
    address: str | None = field(default=None, compare=False)

    @classmethod
    def of(cls, user: User | AnonymousUser | None, *, address: str | None = None) -> Caller:
        """Return the caller for a user of Django's; one query for an anonymous one."""
        is_anonymous = user is None or not user.is_authenticated
        return cls(user_or_anonymous(user), is_anonymous=is_anonymous, address=address)
