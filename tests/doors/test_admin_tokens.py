"""Tokens in the admin: the key is shown once, and a token can be revoked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dasf_broker.auth import create_token
from dasf_broker.models import ApiToken
from tests.conftest import MakeUser
from tests.tokens import token_owner

pytestmark = pytest.mark.django_db

ADD, LIST = "/admin/dasf_broker/apitoken/add/", "/admin/dasf_broker/apitoken/"
KEY = re.compile(r"dasf_[0-9a-f]{8}_[\w-]{43}")


def test_key_is_shown_once(admin_client: Client, stranger: User) -> None:
    """The answer shows the key that lets somebody in; no other page does."""
    answer = admin_client.post(ADD, _values(stranger, label="script"))
    assert answer.status_code == 200
    [key] = set(KEY.findall(answer.content.decode()))
    assert token_owner(key) == stranger
    token = ApiToken.objects.get(user=stranger, label="script")
    for url in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/"):
        page = admin_client.get(url)
        assert page.status_code == 200
        assert key not in page.content.decode()


def test_key_is_kept_nowhere(admin_client: Client, stranger: User) -> None:
    """Neither cookies nor the session nor the log nor a cache keep the key."""
    answer = admin_client.post(ADD, _values(stranger))
    [key] = set(KEY.findall(answer.content.decode()))
    assert "messages" not in answer.cookies
    assert "no-store" in answer.headers["Cache-Control"]
    kept: list[Any] = [session.get_decoded() for session in Session.objects.all()]
    kept += LogEntry.objects.values()
    kept += ApiToken.objects.values()
    assert len(kept) >= 3
    assert key not in str(kept)


def test_a_wrong_form_makes_nothing(admin_client: Client) -> None:
    """Without a user there is no token, and the form says so."""
    answer = admin_client.post(ADD, {"user": "", "label": "x"})
    assert "This field is required." in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_staff_makes_tokens_for_themselves_only(make_user: MakeUser, superuser: User) -> None:
    """A token for somebody else would be a way to act as them."""
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="add_apitoken"))
    client = Client()
    client.force_login(staff)
    assert f'value="{staff.pk}"' in client.get(ADD).content.decode()
    client.post(ADD, _values(superuser))
    assert not ApiToken.objects.exists()
    client.post(ADD, _values(staff))
    assert ApiToken.objects.get().user == staff


@pytest.mark.parametrize("whose", ["own", "of another", "of a superuser"])
def test_staff_prolongs_only_their_own(
    make_user: MakeUser, stranger: User, superuser: User, whose: str
) -> None:
    """To prolong a token that has expired is to create one."""
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename__endswith="_apitoken"))
    owner = {"own": staff, "of another": stranger, "of a superuser": superuser}[whose]
    token, key = create_token(owner, label="old", expires=timezone.now() - timedelta(days=1))
    client = Client()
    client.force_login(staff)
    url = f"{LIST}{token.pk}/change/"
    assert client.get(url).status_code == 200
    values = {"label": "new", "expires_0": "2999-01-01", "expires_1": "00:00:00"}
    answer = client.post(url, values)
    token.refresh_from_db()
    if whose == "own":
        assert (answer.status_code, token.label) == (302, "new")
        assert token_owner(key) == staff
    else:
        assert (answer.status_code, token.label) == (403, "old")
        assert token_owner(key) is None


def test_superuser_prolongs_all(admin_client: Client, stranger: User) -> None:
    """A superuser may log in as everybody anyway."""
    token, key = create_token(stranger, expires=timezone.now() - timedelta(days=1))
    values = {"label": "", "expires_0": "2999-01-01", "expires_1": "00:00:00"}
    assert admin_client.post(f"{LIST}{token.pk}/change/", values).status_code == 302
    assert token_owner(key) == stranger


def test_staff_revokes_what_others_have(make_user: MakeUser, superuser: User) -> None:
    """Who may change tokens may end every one of them, which gives nobody anything."""
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="change_apitoken"))
    token, key = create_token(superuser)
    client = Client()
    client.force_login(staff)
    client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    assert token_owner(key) is None


def test_revoke(admin_client: Client, stranger: User) -> None:
    """A revoked token lets nobody in; one revoked before keeps its time."""
    before = timezone.now() - timedelta(days=1)
    old = create_token(stranger)[0]
    ApiToken.objects.filter(pk=old.pk).update(revoked=before)
    token, key = create_token(stranger)
    keys = [old.pk, token.pk]
    page = admin_client.post(LIST, {"action": "revoke", "_selected_action": keys}, follow=True)
    assert "1 token was revoked." in page.content.decode()
    old.refresh_from_db()
    assert old.revoked == before
    assert token_owner(key) is None


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ({"revoked__isempty": "1"}, {"used"}),
        ({"revoked__isempty": "0"}, {"ended"}),
        ({"q": "end"}, {"ended"}),
    ],
)
def test_filters(
    query: dict[str, str], labels: set[str], admin_client: Client, stranger: User
) -> None:
    """The list can be narrowed down."""
    create_token(stranger, label="used")
    ended, _key = create_token(stranger, label="ended")
    ApiToken.objects.filter(pk=ended.pk).update(revoked=timezone.now())
    shown = admin_client.get(LIST, query).context["cl"].result_list
    assert {token.label for token in shown} == labels


def test_owner_stays(admin_client: Client, stranger: User, superuser: User) -> None:
    """Label and end can be changed, the user and the key cannot."""
    token, key = create_token(stranger)
    values = _values(superuser, label="new")
    admin_client.post(f"{LIST}{token.pk}/change/", values)
    assert ApiToken.objects.get().label == "new"
    assert token_owner(key) == stranger


def _values(user: User, **values: str) -> dict[str, str]:
    return {"user": str(user.pk), "label": "", "expires_0": "", "expires_1": "", **values}
