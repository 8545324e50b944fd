"""Who may do what, as one table: each operation, by each kind of caller, on each kind of topic.

The table is the rule of the contract, written down by hand. The rows are tried on one door for
each transport; that all doors answer alike is what `tests/doors/contract` is for.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dasf_broker import database
from dasf_broker.auth import create_token
from dasf_broker.domain.envelope import Envelope
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
from dasf_broker.permissions import Right, grant
from dasf_broker.schema import schema
from tests.conftest import MakeTopic, MakeUser
from tests.security.attempts import ATTEMPTS, MESSAGE_ID, Place

pytestmark = pytest.mark.django_db(transaction=True)

#: Who calls: nobody in person, and people by the rights that they hold on the topic.
RIGHTS: dict[str, tuple[Right, ...]] = {
    "stranger": (),
    "viewer": (Right.VIEW_STATUS,),
    "producer": (Right.PRODUCE,),
    "consumer": (Right.CONSUME,),
    "both": (Right.PRODUCE, Right.CONSUME),
    "manager": (Right.CHANGE, Right.DELETE),
}

#: 404: as if there were no such topic · 403: the topic may be seen, but this not done ·
#: none: no error, but nothing is shown.
TABLE = """
                      nobody stranger viewer producer consumer both manager superuser

private topic
  topic                404     404      ok      ok       ok     ok    ok       ok
  topics               none    none     ok      ok       ok     ok    ok       ok
  node                 none    none     ok      ok       ok     ok    ok       ok
  message              404     404     403     none      ok     ok   403       ok
  messages             404     404     403      403      ok     ok   403       ok
  node of message      none    none    none    none      ok     ok   none      ok
  messages of topic    404     404     none    none      ok     ok   none      ok
  people of topic      404     404     none    none     none   none   ok       ok
  publishMessage       404     404     403      ok      403     ok   403       ok
  publishMessages      404     404     403      ok      403     ok   403       ok
  acknowledgeMessage   404     404     403      403      ok     ok   403       ok
  acknowledgeMessages  404     404     403      403      ok     ok   403       ok
  pingTopic            404     404     403      ok      403     ok   403       ok
  pongTopic            404     404     403      403      ok     ok   403       ok
  createTopic          403     403     403      403     403    403   403       ok
  updateTopic          404     404     403      403     403    403    ok       ok
  deleteTopic          404     404     403      403     403    403    ok       ok
  grantPermission      404     404     403      403     403    403    ok       ok
  revokePermission     404     404     403      403     403    403    ok       ok
  sub messages         404     404     403      403      ok     ok   403       ok
  sub pings            404     404     403      403      ok     ok   403       ok
  sub pongs            404     404      ok      ok       ok     ok    ok       ok
  sub availability     404     404      ok      ok       ok     ok    ok       ok
  dasf produce         404     404     403      ok      403     ok   403       ok
  dasf acknowledge     404     404     403      403      ok     ok   403       ok
  dasf pong            404     404     403      403      ok     ok   403       ok
  dasf describe        404     404     403      403      ok     ok   403       ok
  dasf deliver         none    none    none    none      ok     ok   none      ok
  page status          404     404      ok      ok       ok     ok    ok       ok
  page ping            404     404     403      ok      403     ok   403       ok

public topic
  topic                 ok      ok      ok      ok       ok     ok    ok       ok
  topics                ok      ok      ok      ok       ok     ok    ok       ok
  node                  ok      ok      ok      ok       ok     ok    ok       ok
  message              none    none    none    none      ok     ok   none      ok
  messages             403     403     403      403      ok     ok   403       ok
  node of message      none    none    none    none      ok     ok   none      ok
  messages of topic    none    none    none    none      ok     ok   none      ok
  people of topic      none    none    none    none     none   none   ok       ok
  publishMessage        ok      ok      ok      ok       ok     ok    ok       ok
  publishMessages       ok      ok      ok      ok       ok     ok    ok       ok
  acknowledgeMessage   403     403     403      403      ok     ok   403       ok
  acknowledgeMessages  403     403     403      403      ok     ok   403       ok
  pingTopic             ok      ok      ok      ok       ok     ok    ok       ok
  pongTopic            403     403     403      403      ok     ok   403       ok
  createTopic          403     403     403      403     403    403   403       ok
  updateTopic          403     403     403      403     403    403    ok       ok
  deleteTopic          403     403     403      403     403    403    ok       ok
  grantPermission      403     403     403      403     403    403    ok       ok
  revokePermission     403     403     403      403     403    403    ok       ok
  sub messages         403     403     403      403      ok     ok   403       ok
  sub pings            403     403     403      403      ok     ok   403       ok
  sub pongs             ok      ok      ok      ok       ok     ok    ok       ok
  sub availability      ok      ok      ok      ok       ok     ok    ok       ok
  dasf produce          ok      ok      ok      ok       ok     ok    ok       ok
  dasf acknowledge     403     403     403      403      ok     ok   403       ok
  dasf pong            403     403     403      403      ok     ok   403       ok
  dasf describe        403     403     403      403      ok     ok   403       ok
  dasf deliver         none    none    none    none      ok     ok   none      ok
  page status           ok      ok      ok      ok       ok     ok    ok       ok
  page ping             ok      ok      ok      ok       ok     ok    ok       ok
"""

CALLERS = ["nobody", *RIGHTS, "superuser"]


def _read(table: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return what each caller is answered, by kind of topic and row."""
    head, *lines = [line for line in table.splitlines() if line]
    assert head.split() == CALLERS
    cells: dict[tuple[str, str], dict[str, str]] = {}
    kind = ""
    for line in lines:
        if not line.startswith(" "):
            kind = line.removesuffix(" topic")
            continue
        words = line.split()
        row = " ".join(words[: -len(CALLERS)])
        cells[kind, row] = dict(zip(CALLERS, words[-len(CALLERS) :], strict=True))
    return cells


EXPECTED = _read(TABLE)


@pytest.mark.parametrize(("kind", "row"), EXPECTED, ids=["-".join(each) for each in EXPECTED])
async def test_answers(
    world: World, kind: str, row: str, hub_lifetime: None, django_thread: None
) -> None:
    """Each caller is answered as the table says."""
    answers = {}
    for caller in CALLERS:
        place = await database.write(world.place, caller, is_public=kind == "public")
        answers[caller] = await ATTEMPTS[row](place)
    assert answers == EXPECTED[kind, row]


def test_nothing_is_left_out() -> None:
    """Every operation of the schema that names a topic is in the table, for both kinds."""
    rows = {row for _, row in EXPECTED}
    assert rows == ATTEMPTS.keys()
    assert {*EXPECTED} == {(kind, row) for kind in ("private", "public") for row in rows}
    graphql = schema._schema
    assert graphql.query_type is not None
    assert graphql.mutation_type is not None
    assert graphql.subscription_type is not None
    assert {*graphql.query_type.fields} - {"viewer", "broker"} <= rows
    assert {*graphql.mutation_type.fields} <= rows
    assert {f"sub {name}" for name in graphql.subscription_type.fields} <= rows


class World:
    """People, and the topic that they try things on."""

    def __init__(self, make_user: MakeUser, make_topic: MakeTopic) -> None:
        self._make_topic = make_topic
        self._people = {name: make_user(name) for name in RIGHTS}
        self._people["superuser"] = make_user("superuser", is_superuser=True)
        self._keys = {name: create_token(user)[1] for name, user in self._people.items()}
        make_user("somebody")  # rights are given to them, and taken
        self._author: User = make_user("author", is_superuser=True)

    def place(self, name: str, *, is_public: bool) -> Place:
        """Make the topic as new, with a message, for one of the people."""
        BrokerTopic.objects.all().delete()
        topic = self._make_topic(
            "topic", is_public=is_public, supports_dasf=True, store_messages="store"
        )
        for each, rights in RIGHTS.items():
            grant(self._people[each], topic, *rights)
        envelope = Envelope.compose(max_size=1000, message_id=MESSAGE_ID, text="hello")
        publish(Publication(Caller.of(self._author), "topic", envelope))
        return Place(topic, Caller.of(self._people["consumer"]), self._keys.get(name))


@pytest.fixture
def world(make_user: MakeUser, make_topic: MakeTopic) -> World:
    """Return the people, who have no topic yet."""
    return World(make_user, make_topic)
