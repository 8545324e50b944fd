"""The caller of an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from dasf_broker.concurrency.shares import Share
from dasf_broker.permissions import NOBODY, nobody, user_or_anonymous

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: The flags of a user model. Hosts' own models may have none of them.
FLAGS = ("is_active", "is_superuser", "is_staff")


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """The caller of an operation, from whichever door."""

    #: A row of the user model; for anonymous callers guardian's anonymous user or, where it has no
    #: row, a user with the key ``NOBODY``. For the server itself a superuser without a row. It is
    #: as old as the caller's connection: what the caller may do is read from the database for each
    #: operation, and never taken from here.
    user: User
    is_anonymous: bool = False
    #: The address of the client, if it is known; used only to count for rate limits.
    address: str | None = None

    @classmethod
    def of(cls, user: User | AnonymousUser | None, *, address: str | None = None) -> Caller:
        """Return the caller for a user of Django's. At most one query, for an anonymous one.

        Raises
        ------
        ValueError
            The user was never saved.
        """
        row = user_or_anonymous(user)
        is_anonymous = user is None or not user.is_authenticated or row.pk is NOBODY
        # Not its key: some models give a row one before it is saved. A row without a key would be
        # taken for the server itself.
        if row._state.adding and row.pk is not NOBODY:
            raise ValueError("The user was never saved: save it first.")
        return cls(row, is_anonymous=is_anonymous, address=address)

    @classmethod
    def without_row(cls, *, address: str | None = None) -> Caller:
        """Return an anonymous caller who holds no right."""
        return cls(nobody(), is_anonymous=True, address=address)

    @classmethod
    def system(cls) -> Caller:
        """Return the server itself, which has all rights and is no user."""
        model = get_user_model()
        flags = {name: True for name in ("is_active", "is_superuser") if _has_column(model, name)}
        # The key is named because some user models have one before they are saved.
        return cls(model(pk=None, **flags))

    @property
    def share(self) -> Share:
        """The share of the process that the caller's work belongs to."""
        if self.is_server:
            return None
        # All anonymous callers are one user: they share by address.
        return ("address", self.address) if self.is_anonymous else ("user", self.user.pk)

    @property
    def is_server(self) -> bool:
        """Whether the server itself is the caller."""
        return self.user.pk is None

    @property
    def user_or_none(self) -> User | None:
        """The row of the user; ``None`` for the server itself, and if there is no row."""
        return None if self.row_key is None else self.user

    @property
    def row_key(self) -> Any:
        """What columns say of the caller: the primary key of :attr:`user_or_none`, or ``None``."""
        return None if self.user.pk is NOBODY else self.user.pk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Caller) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        # Not the user: a row without a primary key has no hash. With the flags, so that nothing
        # is shared by rows of different times.
        user = self.user
        return user.pk, self.is_anonymous, *[getattr(user, flag, None) for flag in FLAGS]


def _has_column(model: Any, name: str) -> bool:
    return any(each.name == name for each in model._meta.concrete_fields)
