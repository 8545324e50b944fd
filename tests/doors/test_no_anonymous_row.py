"""Without guardian's anonymous row every door serves public topics to anonymous callers."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.test import Client
from guardian.utils import get_anonymous_user
from pytest_django import Settings

from dasf_broker import database
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.permissions import Right, grant
from tests.conftest import MakeTopic, MakeUser
from tests.doors.clients import GraphQLClient, is_refusal
from tests.doors.conftest import OpenSocket, Publish
from tests.doors.dasf.frames import ask, message, to
from tests.operations.helpers import ack

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = """mutation { publishMessage(input: {topic: "public", text: "hello"}) {
  status message { messageId user { username } acknowledged deliveredToAll deliveredTo { username }
    topic { slug permissions { canConsume canProduce canViewStatus } } } } }"""

#: What reads or writes, and what becomes of it.
ALLOWED = {
    "{ viewer { isAuthenticated username } }": {"isAuthenticated": False, "username": None},
    "{ topics(first: 5) { edges { node { slug availability { status } } } } }": {
        "edges": [{"node": {"slug": "public", "availability": {"status": "UNKNOWN"}}}]
    },
    '{ topic(slug: "public") { slug } }': {"slug": "public"},
    'mutation { pingTopic(topic: "public") { topic { slug } } }': {"topic": {"slug": "public"}},
}
REFUSED = {
    '{ topic(slug: "topic") { slug } }': "NOT_FOUND",
    '{ messages(topic: "public", first: 5) { edges { node { text } } } }': "FORBIDDEN",
    '{ messages(topic: "topic", first: 5) { edges { node { text } } } }': "NOT_FOUND",
    'mutation { publishMessage(input: {topic: "topic", text: "x"}) { status } }': "NOT_FOUND",
    'mutation { createTopic(input: {slug: "new"}) { topic { slug } } }': "FORBIDDEN",
    'mutation { pongTopic(topic: "public") { roundTripTime } }': "FORBIDDEN",
}


@pytest.fixture(autouse=True)
def public(make_topic: MakeTopic, topic: BrokerTopic) -> BrokerTopic:
    """Make a public topic beside the private one."""
    return make_topic("public", is_public=True, store_messages="store")


@pytest.fixture
def gone(public: BrokerTopic) -> None:
    """Delete the row, after it had rights."""
    row = get_anonymous_user()
    grant(row, public, Right.CONSUME)
    row.delete()


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("document", ALLOWED)
async def test_allowed(client: GraphQLClient, document: str) -> None:
    """What everybody may, through each of the doors."""
    assert await client.value(document) == ALLOWED[document]


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("document", REFUSED)
async def test_refused(client: GraphQLClient, document: str) -> None:
    """What needs a right is refused as it is to others without it, and nothing is INTERNAL."""
    error = await client.refusal(document)
    assert error["extensions"]["code"] == REFUSED[document]


@pytest.mark.usefixtures("gone")
async def test_published(
    client: GraphQLClient, public: BrokerTopic, make_user: MakeUser, publish_text: Publish
) -> None:
    """Nothing of others is the caller's own, and the message is nobody's."""
    consumer = await database.write(make_user, "consumer", public, Right.CONSUME)
    done = await client.value(PUBLISH)
    assert done["status"] == "STORED"
    said = done["message"]
    assert (said["user"], said["acknowledged"], said["deliveredTo"]) == (None, False, [])
    rights = {"canConsume": False, "canProduce": True, "canViewStatus": True}
    assert said["topic"]["permissions"] == rights
    [row] = await database.read(lambda: [*BrokerMessage.objects.all()])
    await database.write(ack, consumer, row.message_id, public.slug)
    document = f'{{ message(topic: "public", messageId: "{row.message_id}") {{ text }} }}'
    assert await client.value(document) is None


async def test_on_a_socket_that_is_older(
    enter: OpenSocket, public: BrokerTopic, django_thread: None
) -> None:
    """It serves on, and what listens to a public topic listens on."""
    socket = await enter()
    await socket.subscribe('subscription { availability(topic: "public") { status } }', id_="0")
    assert (await socket.data("0"))["status"] == "UNKNOWN"
    await database.write(delete_row)
    for number in (1, 2):
        await socket.subscribe(PUBLISH, id_=str(number))
        assert (await socket.data(str(number)))["message"]["user"] is None
        assert (await socket.receive())["type"] == "complete"
    await socket.subscribe('subscription { messages(topic: "public") { text } }', id_="no")
    [error] = await socket.error("no")
    assert is_refusal(error, "FORBIDDEN")
    await database.write(restore_row, public)
    await socket.subscribe(PUBLISH, id_="3")
    assert (await socket.data("3"))["status"] == "STORED"


@pytest.mark.parametrize("goes", ["before", "after"])
async def test_dasf(open_socket: OpenSocket, goes: str) -> None:
    """A producer without an account is answered "ok", and refused as a consumer."""
    if goes == "before":
        await database.write(delete_row)
    socket = await open_socket(**await to("public"))
    if goes == "after":
        await database.write(delete_row)
    for _ in range(2):
        assert (await ask(socket, message("hello")))["result"] == "ok"
    assert await database.read(BrokerMessage.objects.filter(user=None).count) == 2


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(("page", "status"), [("status", 503), ("ping", 302)])
def test_pages_of_a_topic(page: str, status: int) -> None:
    """A public topic has them, a hidden one has not."""
    assert Client().get(f"/public/{page}/").status_code == status
    assert Client().get(f"/topic/{page}/").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.usefixtures("gone")
def test_the_page(client_of_a_browser: Client) -> None:
    """It opens for callers without an account."""
    page = client_of_a_browser.get("/graphql/", headers={"accept": "text/html"})
    assert page.status_code == HTTPStatus.OK


@pytest.mark.usefixtures("gone")
async def test_introspection(client: GraphQLClient, settings: Settings) -> None:
    """Only for staff means: not for nobody either."""
    settings.DASF_INTROSPECTION = "staff"
    error = await client.refusal("{ __schema { queryType { name } } }")
    assert not is_refusal(error, "INTERNAL")


@pytest.fixture
def client_of_a_browser() -> Client:
    """Return a browser in which nobody is logged in."""
    return Client(enforce_csrf_checks=True)


def delete_row() -> None:
    """Delete guardian's anonymous user."""
    get_anonymous_user().delete()


def restore_row(topic: BrokerTopic) -> None:
    """Make the anonymous user again, with a right."""
    grant(User.objects.create_user("AnonymousUser"), topic, Right.CONSUME)
