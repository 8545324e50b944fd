"""The caller of a function, and the kind of code that it is called from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from django.utils.asyncio import async_unsafe

from dasf_broker import database, primary
from dasf_broker.operations.caller import Caller

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser, User

#: A user as Django hands them out.
AnyUser: TypeAlias = "AbstractBaseUser | AnonymousUser"

Function = TypeVar("Function", bound=Callable[..., Any])


def caller_of(user: AnyUser | None) -> Caller:
    """Return the caller for a user, or the server itself for ``None``."""
    return Caller.system() if user is None else Caller.of(cast("User", user))


async def acaller_of(user: AnyUser | None) -> Caller:
    """Do as :func:`caller_of` from asynchronous code."""
    if user is None or user.is_authenticated:
        return caller_of(user)
    return await database.read_first(caller_of, user)  # reads the row of an anonymous caller


def synchronous(instead: str) -> Callable[[Function], Function]:
    """Refuse calls that would block an event loop, as Django does, and say what to call instead.

    What the function reads is up to date, also where reads go to a replica.
    """
    refuse: Callable[[Function], Function] = async_unsafe(
        f"You cannot call this from an async context: use `await {instead}(...)`."
    )
    return lambda function: refuse(primary.reads()(function))
