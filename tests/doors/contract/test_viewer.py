"""The queries `viewer` and `broker`, and who the doors take a caller for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from pytest_django import Settings
from rest_framework.authtoken.models import Token

import dasf_broker
from dasf_broker import database
from dasf_broker.auth import create_token
from dasf_broker.models import ApiToken
from tests.doors.clients import GraphQLClient, is_refusal

pytestmark = pytest.mark.django_db(transaction=True)

VIEWER = "{ viewer { isAuthenticated username isSuperuser canCreateTopics } }"


async def test_anonymous(client: GraphQLClient) -> None:
    """Without a credential one is nobody."""
    assert await client.value(VIEWER) == _viewer(None)


async def test_user(client: GraphQLClient, stranger: User, superuser: User) -> None:
    """With a token one is its user."""
    assert await client.value(VIEWER, as_=stranger) == _viewer("stranger")
    assert await client.value(VIEWER, as_=superuser) == _viewer(
        "root", isSuperuser=True, canCreateTopics=True
    )


async def test_right_to_create_topics(client: GraphQLClient, stranger: User) -> None:
    """Who holds the global right to add topics is told so."""

    def allow() -> None:
        stranger.user_permissions.add(Permission.objects.get(codename="add_brokertopic"))

    await database.write(allow)
    assert await client.value(VIEWER, as_=stranger) == _viewer("stranger", canCreateTopics=True)


async def test_drf_token(client: GraphQLClient, stranger: User) -> None:
    """A token of the REST framework's is a credential too."""
    token = await database.write(Token.objects.create, user=stranger)
    assert await client.value(VIEWER, as_=token.key) == _viewer("stranger")


@pytest.mark.parametrize(
    "key",
    ["nonsense", "dasf_", "dasf_x_y", "dasf__", "two words", "ke\u00ffy"],
)
async def test_wrong_key_is_refused(client: GraphQLClient, key: str) -> None:
    """A key that is nobody's lets nobody in, and is not taken for no key."""
    assert is_refusal(await client.refusal(VIEWER, as_=key), "UNAUTHENTICATED")


@pytest.mark.parametrize("why", ["expired", "revoked", "inactive", "other secret"])
async def test_key_that_no_longer_counts_is_refused(
    client: GraphQLClient, stranger: User, why: str
) -> None:
    """So is one that expired, was revoked, or whose user may not log in."""

    def make_key() -> str:
        past = timezone.now() - timedelta(seconds=1)
        token, key = create_token(stranger, expires=past if why == "expired" else None)
        if why == "revoked":
            ApiToken.objects.filter(pk=token.pk).update(revoked=past)
        if why == "inactive":
            User.objects.filter(pk=stranger.pk).update(is_active=False)
        return f"{key}x" if why == "other secret" else key

    error = await client.refusal(VIEWER, as_=await database.write(make_key))
    assert is_refusal(error, "UNAUTHENTICATED")


async def test_broker(client: GraphQLClient, settings: Settings) -> None:
    """The server tells its version and limits."""
    settings.DASF_STORE_RESPONSE_MESSAGES = "disabled"
    settings.DASF_MAX_MESSAGE_SIZE = 1234
    query = """{ broker { version storeSourceMessages storeResponseMessages
      createsTopicsOnMessage maxMessageSize defaultPageSize maxPageSize } }"""
    assert await client.value(query) == {
        "version": dasf_broker.__version__,
        "storeSourceMessages": "CACHE",
        "storeResponseMessages": "DISABLED",
        "createsTopicsOnMessage": True,
        "maxMessageSize": 1234,
        "defaultPageSize": 100,
        "maxPageSize": 500,
    }


def _viewer(username: str | None, **more: bool) -> dict[str, Any]:
    nobody = {"isSuperuser": False, "canCreateTopics": False}
    return {"isAuthenticated": username is not None, "username": username, **nobody, **more}
