"""Who is calling: tokens, sessions, and what is wrong with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone
from rest_framework.authtoken.models import Token

from dasf_broker.auth import KEY_MARK, authorization_in, create_token, identify, session_user
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.models import ApiToken
from dasf_broker.operations.caller import Caller
from tests.conftest import MakeUser
from tests.operations.helpers import queries


@pytest.fixture
def user(make_user: MakeUser) -> User:
    """Return a user with a password."""
    return make_user("ann", password="secret")


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer", "TOKEN"])
def test_a_token_lets_its_user_in(scheme: str, user: User) -> None:
    """Whatever the scheme is called, and not as a session."""
    _, key = create_token(user, label="laptop")
    identity = identify(f"{scheme} {key}")
    assert (identity.caller, identity.by_session) == (Caller(user), False)
    assert identify(f"  {scheme}   {key}  ").caller == Caller(user)


def test_only_a_digest_is_kept(user: User) -> None:
    """The key is nowhere in the row, but for the public prefix that people know it by."""
    token, key = create_token(user, label="laptop")
    mark, prefix, secret = key.split("_", 2)
    assert (mark, prefix) == (KEY_MARK, token.prefix)
    row = ApiToken.objects.values().get()
    assert all(secret not in str(value) and key not in str(value) for value in row.values())
    assert str(token) == f"{prefix}... (laptop)"
    assert create_token(user)[1] != key


@pytest.mark.parametrize("wrong", ["expired", "revoked", "inactive", "changed", "cut", "deleted"])
def test_a_token_that_lets_nobody_in(wrong: str, user: User) -> None:
    """All are refused with the same text, and none is taken for nobody."""
    token, key = create_token(user, expires=timezone.now() + timedelta(days=1))
    assert identify(f"Bearer {key}").caller == Caller(user)
    if wrong == "expired":
        ApiToken.objects.update(expires=timezone.now())
    elif wrong == "revoked":
        ApiToken.objects.update(revoked=timezone.now())
    elif wrong == "inactive":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif wrong == "changed":
        key = key[:-1] + ("a" if key[-1] != "a" else "b")
    elif wrong == "cut":
        key = key[:-1]
    else:
        token.delete()
    with pytest.raises(UnauthenticatedError, match="wrong, expired or revoked"):
        identify(f"Bearer {key}")


@pytest.mark.parametrize(
    "key", ["dasf_", "dasf__", "dasf_x_y", "x", "dasf_\x00_a", "\x00", "\ud800", "dasf_ä", "é" * 9]
)
def test_nonsense_is_refused(key: str, user: User) -> None:
    """Even what the database could not look for."""
    with pytest.raises(UnauthenticatedError):
        identify(f"Bearer {key}")


@pytest.mark.parametrize(
    "authorization", ["", " ", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc", "Digest a b"]
)
def test_a_malformed_authorization_is_refused(authorization: str, user: User) -> None:
    """Also where a session would vouch: the client meant the token."""
    with pytest.raises(UnauthenticatedError, match="'Bearer KEY' or 'Token KEY'"):
        identify(authorization, user)


def test_the_last_use_is_noted_coarsely(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often than once a minute, so that reading does not write each time."""
    start = timezone.now()
    _, key = create_token(user)
    seen: list[datetime | None] = []
    for seconds in (0, 30, 60, 61, 90):
        now = start + timedelta(seconds=seconds)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        identify(f"Bearer {key}")
        seen.append(ApiToken.objects.get().last_used)
    later = start + timedelta(seconds=61)
    assert seen == [start, start, start, later, later]
    assert queries(lambda: identify(f"Bearer {key}")) == 1


def test_tokens_of_rest_framework_work(user: User) -> None:
    """Hosts that have them need no others."""
    key = Token.objects.create(user=user).key
    assert identify(f"Token {key}").caller == Caller(user)
    User.objects.update(is_active=False)
    with pytest.raises(UnauthenticatedError):
        identify(f"Token {key}")


def test_without_any_credential_it_is_nobody(anonymous: Caller) -> None:
    """No header, and no session or one without a login."""
    for user in (None, AnonymousUser()):
        identity = identify(None, user)
        assert (identity.caller, identity.by_session) == (anonymous, False)


def test_a_session_vouches_where_there_is_no_token(user: User, stranger: User) -> None:
    """The door then has to look where the request comes from."""
    identity = identify(None, user)
    assert (identity.caller, identity.by_session) == (Caller(user), True)
    identity = identify(f"Bearer {create_token(stranger)[1]}", user)
    assert (identity.caller, identity.by_session) == (Caller(stranger), False)


def test_the_user_of_a_session(user: User, client: Client) -> None:
    """From the key in the cookie, for doors that have no middleware."""
    client.force_login(user)
    key = client.cookies["sessionid"].value
    assert session_user(key) == user
    user.set_password("another")
    user.save()
    assert isinstance(session_user(key), AnonymousUser)


@pytest.mark.parametrize("key", [None, "", "x" * 32, "short"])
def test_no_session_is_nobody(key: str | None, db: None) -> None:
    """A missing or unknown cookie is no error: it may just be old."""
    found = session_user(key)
    assert found is None or not found.is_authenticated


def test_a_session_without_a_login_is_nobody(db: None) -> None:
    """Browsers have sessions before they log in."""
    store = SessionStore()
    store["cart"] = 1
    store.save()
    assert isinstance(session_user(store.session_key), AnonymousUser)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, None),
        ({}, None),
        ({"other": 1}, None),
        ({"Authorization": None}, None),
        ({"Authorization": "Bearer a"}, "Bearer a"),
        ({"authorization": "Bearer a"}, "Bearer a"),
        ({"AUTHORIZATION": ""}, ""),
    ],
)
def test_the_credential_of_a_socket(payload: Any, expected: str | None) -> None:
    """Clients write the key as they like."""
    assert authorization_in(payload) == expected


@pytest.mark.parametrize("value", [1, True, ["Bearer a"], {"key": "a"}])
def test_a_credential_is_a_text(value: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(UnauthenticatedError):
        authorization_in({"Authorization": value})
