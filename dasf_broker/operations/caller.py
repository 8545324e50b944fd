"""The caller of an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from dasf_broker.permissions import user_or_anonymous

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Somebody who asks the broker for something, whichever door they came through."""

    #: A row of the user model; guardian's anonymous user for anonymous callers. For the server
    #: itself a superuser that is in no table.
    user: User
    is_anonymous: bool = False
    #: Where they call from, as far as it is known; only for counting.
    address: str | None = None

    @classmethod
    def of(cls, user: User | AnonymousUser | None, *, address: str | None = None) -> Caller:
        """Return the caller for a user of Django's; one query for an anonymous one."""
        is_anonymous = user is None or not user.is_authenticated
        return cls(user_or_anonymous(user), is_anonymous=is_anonymous, address=address)

    @classmethod
    def system(cls) -> Caller:
        """Return the server itself, which has all rights and is no user."""
        # The key is named because some user models have one before they are saved.
        return cls(get_user_model()(pk=None, is_superuser=True, is_active=True))

    @property
    def person(self) -> User | None:
        """The user; ``None`` where the server itself is calling."""
        return None if self.user.pk is None else self.user

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Caller) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, bool]:
        # Not the user: a row without a primary key has no hash.
        return self.user.pk, self.is_anonymous
