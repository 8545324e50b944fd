"""End connections whose credential is no longer valid.

A credential may become invalid while its socket is open: a token is revoked or expires, a user logs
out, an account is deactivated. So the credentials of all sockets of a process are read again at an
interval, in one query for each kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model

from dasf_broker import clock, database, runtime
from dasf_broker.auth.credentials import Credential, CredentialKind
from dasf_broker.auth.sessions import is_verified, session_class, user_key
from dasf_broker.concurrency.sweeper import Sweep
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.models import ApiToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Seconds between two checks. A socket ends at most 5 s after its credential.
INTERVAL = 2.0


@asynccontextmanager
async def while_valid(credential: Credential | None) -> AsyncIterator[None]:
    """Run a block as long as a credential is valid; ``None`` is for anonymous callers.

    Raises
    ------
    UnauthenticatedError
        The credential is no longer valid, and the block was cancelled.
    """
    if credential is None:
        yield
        return
    try:
        async with asyncio.timeout(None) as deadline:
            with runtime.current().sweeper.include(CREDENTIALS, (credential, deadline)):
                yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise UnauthenticatedError("Your credential was revoked or has expired.") from None


async def _check(checked: Collection[tuple[Credential, asyncio.Timeout]]) -> None:
    valid = await database.read_first(_valid, {credential for credential, _ in checked})
    now = asyncio.get_running_loop().time()
    for credential, deadline in checked:
        if credential not in valid and not deadline.expired():
            deadline.reschedule(now)


#: The credentials of all sockets.
CREDENTIALS: Sweep[tuple[Credential, asyncio.Timeout]] = Sweep("dasf-credentials", _check, INTERVAL)


def _valid(credentials: Collection[Credential]) -> set[Credential]:
    by_kind: dict[CredentialKind, set[Any]] = {kind: set() for kind in CredentialKind}
    for credential in credentials:
        by_kind[credential.kind].add(credential.key)
    find = {
        CredentialKind.TOKEN: _valid_tokens,
        CredentialKind.DRF_TOKEN: _valid_drf_tokens,
        CredentialKind.SESSION: _valid_sessions,
    }
    return {
        Credential(kind, key) for kind, keys in by_kind.items() if keys for key in find[kind](keys)
    }


def _valid_tokens(keys: Collection[Any]) -> set[Any]:
    now = clock.now()
    tokens = ApiToken.objects.select_related("user").filter(pk__in=keys)
    return {token.pk for token in tokens if token.is_usable(now) and token.user.is_active}


def _valid_drf_tokens(keys: Collection[Any]) -> set[Any]:
    tokens = apps.get_model("authtoken", "Token")._default_manager.filter(key__in=keys)
    return {token.key for token in tokens.select_related("user") if token.user.is_active}


# --- sessions ---------------------------------------------------------------------------------


def _valid_sessions(keys: Collection[str]) -> set[str]:
    sessions = _sessions(keys)
    names = {user_key(session) for session in sessions.values()} - {None}
    users = get_user_model()._default_manager.in_bulk(names)
    return {
        key for key, session in sessions.items() if _is_valid(session, users.get(user_key(session)))
    }


def _sessions(keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    store: Any = session_class()
    if store is None:
        return {}
    if not hasattr(store, "get_model_class"):  # not in the database: one query cannot read all
        return {key: store(key).load() for key in keys}
    now = clock.now()
    rows = store.get_model_class()._default_manager.filter(
        session_key__in=keys, expire_date__gt=now
    )
    return {row.session_key: row.get_decoded() for row in rows}


def _is_valid(session: Mapping[str, Any], user: User | None) -> bool:
    return user is not None and user.is_active and is_verified(session, user)
