"""The tokens of the broker, stored as digests, and those of Django REST Framework."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from django.apps import apps
from django.db import Error
from django.db.models import Q

from dasf_broker import clock
from dasf_broker.auth.credentials import Credential, CredentialKind
from dasf_broker.domain.database_errors import is_read_only
from dasf_broker.domain.texts import MAX_TEXT
from dasf_broker.domain.times import present
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.models import ApiToken
from dasf_broker.sql.compiled import Selection

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: How every key begins, so that a leaked key can be recognised.
KEY_MARK = "dasf"

#: The user of a key, and its credential.
Owner: TypeAlias = "tuple[User, Credential]"


def create_token(
    user: User, *, label: str = "", expires: datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a token; return it with its key, which is not stored and cannot be shown again."""
    prefix = secrets.token_hex(4)
    key = f"{KEY_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user, label=label, prefix=prefix, digest=_digest(key), expires=expires
    )
    return token, key


def key_in(authorization: str) -> str:
    """Return the key in the value of an ``Authorization`` header.

    Raises
    ------
    UnauthenticatedError
        The value is not of the form ``Bearer KEY`` or ``Token KEY``, or too long.
    """
    if len(authorization) > MAX_TEXT:
        raise UnauthenticatedError(f"Authorization has at most {MAX_TEXT} characters.")
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() not in ("bearer", "token") or not key.strip():
        raise UnauthenticatedError("Authorization is 'Bearer KEY' or 'Token KEY'.")
    return key.strip()


def token_owners(keys: Collection[str]) -> dict[str, Owner]:
    """Return the owner of each valid key, without invalid keys; one query for each kind."""
    # Other characters are in no key, and the database may refuse them.
    readable = {key for key in keys if key.isascii() and key.isprintable()}
    ours = {key for key in readable if key.startswith(f"{KEY_MARK}_")}
    found = dict(_owners_of_ours(ours)) if ours else {}
    if readable - ours and apps.is_installed("rest_framework.authtoken"):
        found |= _owners_of_drf_tokens(readable - ours)
    return {key: owner for key, owner in found.items() if owner[0].is_active}


def _owners_of_ours(keys: Collection[str]) -> Iterator[tuple[str, Owner]]:
    now = clock.now()
    prefixes = {key: key.split("_", 2)[1] for key in keys}
    by_prefix = {token.prefix: token for token in _tokens({*prefixes.values()})}
    for key, prefix in prefixes.items():
        token = by_prefix.get(prefix)
        # Compared even without a token, so that the time does not reveal which prefixes exist.
        matches = hmac.compare_digest(_digest(key), token.digest if token else _digest(""))
        if token is not None and matches and token.is_usable(now):
            _note_use(token, now)
            yield key, (token.user, Credential(CredentialKind.TOKEN, token.pk))


_tokens = Selection(
    lambda prefixes: ApiToken.objects.select_related("user").filter(prefix__in=prefixes)
)


def _note_use(token: ApiToken, now: datetime) -> None:
    stale, latest = now - ApiToken.LAST_USED_STEP, present(now)
    if token.last_used is None or not stale <= token.last_used <= latest:
        unused = Q(last_used__isnull=True) | Q(last_used__lt=stale) | Q(last_used__gt=latest)
        try:
            ApiToken.objects.filter(unused, pk=token.pk).update(last_used=now)
        except Error as error:
            if not is_read_only(error.__cause__):
                raise
            # Its callers may read, and the next use is noted when it can be written again.


def _owners_of_drf_tokens(keys: Collection[str]) -> dict[str, Owner]:
    tokens = apps.get_model("authtoken", "Token")._default_manager.select_related("user")
    return {
        token.key: (token.user, Credential(CredentialKind.DRF_TOKEN, token.key))
        for token in tokens.filter(key__in=keys)
    }


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
