"""Payloads in the admin: decoded, harmless, short; and the whole of them as a download."""

from __future__ import annotations

import json
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from dasf_broker.admin.payloads import SHOWN
from dasf_broker.domain.envelope import encode_payload
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db

LIST = "/admin/dasf_broker/brokermessage/"
ATTACK = "</pre><script>alert(1)</script>"
DEEP = b"[" * 900 + b"]" * 900


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"b": [1, "\xc3\xa9"]}', '{\n  "b": [\n    1,\n    "é"\n  ]\n}'),
        (b"hello <b>you</b>", "hello <b>you</b>"),
        (b"\xff\x00", encode_payload(b"\xff\x00")),
        (b"", ""),
        (rb'"\ud800"', '"\\ud800"'),
        (DEEP, DEEP.decode()),
    ],
    ids=["json", "text", "binary", "empty", "half a surrogate pair", "too deep"],
)
def test_decoded(body: bytes, text: str, admin_client: Client, topic: BrokerTopic) -> None:
    """A person reads what was sent, not base64, wherever it is text."""
    page = _page(admin_client, _message(topic, encode_payload(body)))
    assert f"<pre>{text}</pre>" in unescape(page)
    assert "Only the beginning is shown." not in page


def test_a_fragment_is_shown_as_it_is(admin_client: Client, topic: BrokerTopic) -> None:
    """Base64 that was cut anywhere cannot be decoded without the rest."""
    message = _message(topic, "aGVsb")
    assert "<pre>aGVsb</pre>" in _page(admin_client, message)
    assert admin_client.get(f"{LIST}{message.pk}/payload/").content == b"aGVsb"


@pytest.mark.parametrize("body", [ATTACK.encode(), json.dumps({"a": ATTACK}).encode()])
def test_escaped(body: bytes, admin_client: Client, topic: BrokerTopic) -> None:
    """Markup in payload, properties or names stays text."""
    message = _message(topic, encode_payload(body), {"note": ATTACK})
    page = _page(admin_client, message) + admin_client.get(LIST).content.decode()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


@pytest.mark.parametrize(
    ("letter", "count"), [("\N{SNOWMAN}", SHOWN // 3), ("\N{GRINNING FACE}", SHOWN // 4)]
)
def test_cut_off(letter: str, count: int, admin_client: Client, topic: BrokerTopic) -> None:
    """A large payload shows its beginning, and says so; the download has it all."""
    body = (letter * SHOWN).encode()
    message = _message(topic, encode_payload(body), {"note": "n" * (SHOWN * 2)})
    page = _page(admin_client, message)
    assert page.count(letter) == count
    assert "Only the beginning is shown." in page
    assert "n" * (SHOWN // 2) in page
    assert "n" * SHOWN not in page
    assert admin_client.get(f"{LIST}{message.pk}/payload/").content == body


@pytest.mark.parametrize(
    ("body", "ending"), [(b"{}", "json"), (ATTACK.encode(), "txt"), (b"\xff", "bin")]
)
def test_download(body: bytes, ending: str, admin_client: Client, topic: BrokerTopic) -> None:
    """The file is one to save: no browser opens it as a page of this site."""
    message = _message(topic, encode_payload(body))
    page = _page(admin_client, message)
    url = f"{LIST}{message.pk}/payload/"
    assert f'href="{url}"' in page
    answer = admin_client.get(url)
    assert answer.content == body
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    expected = f'attachment; filename="{message.message_id}.{ending}"'
    assert answer.headers["Content-Disposition"] == expected


@pytest.mark.parametrize(("codenames", "status"), [([], 403), (["view_brokermessage"], 200)])
def test_download_needs_the_right(
    codenames: list[str], status: int, make_user: MakeUser, topic: BrokerTopic
) -> None:
    """Who may not look at messages may not fetch them either."""
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(staff)
    assert client.get(f"{LIST}{_message(topic).pk}/payload/").status_code == status


@pytest.mark.parametrize("is_staff", [None, False])
def test_download_is_a_page_of_the_admin(
    is_staff: bool | None, make_user: MakeUser, topic: BrokerTopic
) -> None:
    """Nobody, and who is not staff, is sent to the login."""
    client = Client()
    if is_staff is not None:
        client.force_login(make_user("user", is_staff=is_staff))
    answer = client.get(f"{LIST}{_message(topic).pk}/payload/")
    assert answer.headers["Location"].startswith("/admin/login/")


def test_download_of_what_is_gone(admin_client: Client) -> None:
    """A message that was removed meanwhile is simply not there."""
    assert admin_client.get(f"{LIST}4711/payload/").status_code == 404


@pytest.mark.parametrize(("count", "more"), [(0, "-"), (2, "name-0, name-1"), (102, ", +2")])
def test_names_of_consumers(
    count: int, more: str, admin_client: Client, make_user: MakeUser, topic: BrokerTopic
) -> None:
    """The page names who acknowledged, the first hundred of them."""
    message = _message(topic)
    people = [make_user(f"name-{number}") for number in range(count)]
    Acknowledgement.objects.bulk_create(Acknowledgement(message=message, user=u) for u in people)
    page = _page(admin_client, message)
    assert f"{more}</div>" in page
    assert page.count("name-") == min(count, 100)


def _message(
    topic: BrokerTopic, payload: str = "", properties: dict[str, Any] | None = None
) -> BrokerMessage:
    message_id = uuid4()
    content = {"messageId": str(message_id), "properties": properties or {}, "payload": payload}
    return BrokerMessage.objects.create(
        topic=topic, message_id=message_id, sequence=1, message_type="request", content=content
    )


def _page(client: Client, message: BrokerMessage) -> str:
    response = client.get(f"{LIST}{message.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()
