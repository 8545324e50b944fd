"""Who is calling: tokens, sessions, and what is wrong with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.authtoken.models import Token

from dasf_broker import database
from dasf_broker.auth import (
    KEY_MARK,
    authorization_in,
    create_token,
    identify_request,
    identify_session,
    identify_token,
    session_user,
)
from dasf_broker.exceptions import UnauthenticatedError
from dasf_broker.models import ApiToken
from dasf_broker.operations.caller import Caller
from tests.conftest import MakeUser
from tests.operations.helpers import queries
from tests.tokens import token_owner

#: For what is looked up in threads of the broker's own.
committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(make_user: MakeUser) -> User:
    """Return a user with a password."""
    return make_user("ann", password="secret")


@pytest.fixture
def session_key(client: Client, user: User) -> str:
    """Return the key of a session in which the user is logged in."""
    client.force_login(user)
    return str(client.cookies["sessionid"].value)


@committed
@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer", "TOKEN"])
async def test_a_token_lets_its_user_in(scheme: str, user: User) -> None:
    """Whatever the scheme is called, and not as a session."""
    _, key = await database.write(create_token, user)
    for authorization in (f"{scheme} {key}", f"  {scheme}   {key}  "):
        identity = await identify_token(authorization)
        assert (identity.caller, identity.by_session) == (Caller(user), False)


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
    """For whatever reason."""
    token, key = create_token(user, expires=timezone.now() + timedelta(days=1))
    assert token_owner(key) == user
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
    assert token_owner(key) is None


NONSENSE = ["dasf_", "dasf__", "dasf_x_y", "x", "dasf_\x00_a", "\x00", "\ud800", "dasf_ä", "é" * 9]


@pytest.mark.parametrize("key", NONSENSE)
def test_nonsense_has_no_owner(key: str, user: User) -> None:
    """Even what the database could not look for."""
    assert token_owner(key) is None


@committed
async def test_a_token_without_an_owner_is_refused(user: User) -> None:
    """With one text for all of them; none is taken for nobody."""
    for key in NONSENSE:
        with pytest.raises(UnauthenticatedError, match="wrong, expired or revoked"):
            await identify_token(f"Bearer {key}")


@pytest.mark.parametrize(
    "authorization", ["", " ", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc", "Digest a b"]
)
async def test_a_malformed_authorization_is_refused(authorization: str, user: User) -> None:
    """Also where a session would vouch: the client meant the token."""
    with pytest.raises(UnauthenticatedError, match="'Bearer KEY' or 'Token KEY'"):
        await identify_request(request(user, authorization=authorization))


def test_the_last_use_is_noted_coarsely(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often than once a minute, so that reading does not write each time."""
    start = timezone.now()
    _, key = create_token(user)
    seen: list[datetime | None] = []
    for seconds in (0, 30, 60, 61, 90):
        now = start + timedelta(seconds=seconds)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        assert token_owner(key) == user
        seen.append(ApiToken.objects.get().last_used)
    later = start + timedelta(seconds=61)
    assert seen == [start, start, start, later, later]
    assert queries(lambda: token_owner(key)) == 1


def test_tokens_of_rest_framework_work(user: User) -> None:
    """Hosts that have them need no others."""
    key = Token.objects.create(user=user).key
    assert token_owner(key) == user
    User.objects.update(is_active=False)
    assert token_owner(key) is None


@committed
async def test_without_any_credential_it_is_nobody(anonymous: Caller) -> None:
    """No header, and no session or one without a login."""
    for user in (None, AnonymousUser()):
        identity = await identify_request(request(user))
        assert (identity.caller, identity.by_session) == (anonymous, False)
    identity = await identify_session(None)
    assert (identity.caller, identity.by_session) == (anonymous, False)


@committed
async def test_a_session_vouches_where_there_is_no_token(
    user: User, stranger: User, session_key: str
) -> None:
    """The door then has to look where the request comes from."""
    for identity in (await identify_request(request(user)), await identify_session(session_key)):
        assert (identity.caller, identity.by_session) == (Caller(user), True)
    _, key = await database.write(create_token, stranger)
    identity = await identify_request(request(user, authorization=f"Bearer {key}"))
    assert (identity.caller, identity.by_session) == (Caller(stranger), False)


def test_the_user_of_a_session(user: User, session_key: str) -> None:
    """From the key in the cookie, for doors that have no middleware."""
    assert session_user(session_key) == user
    user.set_password("another")
    user.save()
    assert isinstance(session_user(session_key), AnonymousUser)


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


def request(user: User | AnonymousUser | None, **headers: str) -> HttpRequest:
    """Return a request as Django's middleware leaves it for a view."""
    made: Any = RequestFactory().get("/", headers=headers)

    async def auser() -> User | AnonymousUser | None:
        return user

    made.auser = auser
    return made  # type: ignore[no-any-return]
