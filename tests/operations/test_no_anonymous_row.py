"""Anonymous callers without guardian's row: they may do what everybody may with public topics."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import CommandError, call_command
from guardian.conf import settings as guardian_settings
from guardian.utils import get_anonymous_user

from dasf_broker.exceptions import ForbiddenError, NotFoundError
from dasf_broker.models import BrokerMessage, ResponseTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.acknowledge import Acknowledging, acknowledge
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping
from dasf_broker.operations.lists.acknowledgements import delivered_to
from dasf_broker.operations.lists.browse import find_message, list_messages, list_topics
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.publish import publish_batch
from dasf_broker.operations.rate_limits import whose
from dasf_broker.operations.topics import TopicOptions, create_topic
from dasf_broker.permissions import (
    NOBODY,
    Right,
    few_visible_to,
    global_rights_of,
    grant,
    lookup,
    present_user,
    rights_on,
    topics_visible_to,
    visible_topics,
)
from tests.conftest import MakeTopic, MakeUser
from tests.operations.helpers import ack, codes, publication, published, queries, send

pytestmark = pytest.mark.django_db(transaction=True)


def _deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    get_anonymous_user().delete()


def _not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    get_anonymous_user().delete()
    monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", None)


def _of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", "somebody-else")


@pytest.fixture(params=[_deleted, _not_wanted, _of_another_name])
def nobody(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, db: None) -> Caller:
    """Return an anonymous caller, after the row went away in each way in turn."""
    request.param(monkeypatch)
    return Caller.of(AnonymousUser(), address="192.0.2.1")


@pytest.fixture
def public(make_topic: MakeTopic) -> str:
    """Make a public topic; return its slug."""
    return make_topic("public", is_public=True, store_messages="store").slug


def test_a_caller_without_a_row(nobody: Caller) -> None:
    """It is neither the server itself nor a user, however it is handed on."""
    assert (nobody.is_anonymous, nobody.is_server) == (True, False)
    assert (nobody.user_or_none, nobody.row_key, nobody.user.pk) == (None, None, NOBODY)
    assert nobody.share == ("address", "192.0.2.1")
    assert whose(nobody) == "nobody:192.0.2.1"
    assert Caller.of(None) == Caller.of(nobody.user) != Caller.system()
    assert len({Caller.of(None), Caller.without_row()}) == 1
    assert present_user(nobody.user) is None
    assert not global_rights_of(nobody.user).has_any(Right)


def test_public_topics(nobody: Caller, public: str, topic: Any) -> None:
    """All that everybody may, and the message is nobody's."""
    done = send(nobody, public, text="hello")
    assert BrokerMessage.objects.get(message_id=done.message.message_id).user is None
    assert done.message.user_id is None
    assert codes([publish_batch([publication(nobody, public, text="hello")])[0]]) == ["STORED"]
    assert ping(nobody, public).topic == public
    assert [each.slug for _, each in list_topics(nobody, PageRequest()).items] == [public]
    assert [each.slug for each in topics_visible_to(nobody.user)] == [public]
    assert access(nobody, public).rights.is_visible


def test_the_same_message_again(nobody: Caller, public: str) -> None:
    """It is recognised, though it has no user."""
    first = publication(nobody, public, text="hello")
    assert codes(publish_batch([first, first])) == ["STORED", "DUPLICATE"]
    assert codes(publish_batch([first])) == ["DUPLICATE"]


def test_what_needs_a_right(nobody: Caller, public: str, topic: Any, producer: User) -> None:
    """There is none to hold: neither on a topic, nor for all, and nothing is one's own."""
    for slug in (topic.slug, "missing"):
        with pytest.raises(NotFoundError):
            access(nobody, slug)
    with pytest.raises(ForbiddenError):
        list_messages(access(nobody, public), PageRequest())
    with pytest.raises(ForbiddenError):
        create_topic(nobody, "new", TopicOptions())
    with pytest.raises(NotFoundError):
        send(nobody, "new", text="hello")
    with pytest.raises(ForbiddenError, match="An anonymous caller may not consume"):
        acknowledge(Acknowledging(nobody, public, uuid4()))
    sent = send(Caller.system(), public, text="of the server")
    assert find_message(nobody, public, sent.message.message_id) is None


def test_nobody_acknowledged_anything(nobody: Caller, public: str, make_user: MakeUser) -> None:
    """The acknowledgements of all are not those of a caller without a row."""
    consumer = make_user("consumer")
    message = send(Caller.system(), public, text="hello").message
    grant(consumer, access(nobody, public).topic, Right.CONSUME)
    ack(consumer, message.message_id, public)
    assert message.sequence is not None
    key = (message.topic_id, message.sequence)
    assert delivered_to([key])[key] == {str(consumer.pk)}
    assert delivered_to([key], only=nobody.user.pk)[key] == frozenset()


def test_computed_flags(nobody: Caller, public: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has flags, whether they are columns or not."""
    for module in (lookup, visible_topics):
        monkeypatch.setattr(module, "flags_are_computed", lambda: True)
    assert few_visible_to(nobody.user) == set()
    assert [each.slug for each in topics_visible_to(nobody.user)] == [public]
    assert send(nobody, public, text="hello").status == "STORED"


def test_it_costs_no_more(nobody: Caller, public: str, topic: Any) -> None:
    """Rights that nobody can hold are not read, so that a missing topic takes as long."""
    found = access(nobody, public).topic
    assert queries(lambda: rights_on(nobody.user, found)) == 0

    def ask(slug: str) -> None:
        with pytest.raises(NotFoundError):
            access(nobody, slug)

    assert queries(lambda: ask(topic.slug)) == queries(lambda: ask("missing"))


def test_rights_count_as_long_as_there_is_a_row(topic: Any) -> None:
    """They end with the row, and a new row begins without any."""
    row = get_anonymous_user()
    grant(row, topic, Right.PRODUCE)
    before = Caller.of(None)
    assert published(publish_batch([publication(before)])[0]).message.user_id == str(row.pk)
    row.delete()
    for caller in (before, Caller.of(None)):
        assert codes(publish_batch([publication(caller)])) == ["NOT_FOUND"]
    again = User.objects.create_user("AnonymousUser")
    assert Caller.of(None).user == again
    assert codes(publish_batch([publication(Caller.of(None))])) == ["NOT_FOUND"]
    grant(again, topic, Right.PRODUCE)
    assert codes(publish_batch([publication(Caller.of(None))])) == ["STORED"]


@pytest.mark.parametrize("asks", [False, True])
def test_a_row_that_goes_away_under_its_caller(
    public: str, producer: User, make_user: MakeUser, settings: Any, asks: bool
) -> None:
    """A connection is older than its user: nobody else's message is refused for that."""
    settings.DASF_ANONYMOUS_RESPONSE_TOPICS = True
    callers = [Caller(producer), Caller.of(None), Caller(make_user("gone"))]
    User.objects.filter(pk__in=[each.user.pk for each in callers[1:]]).delete()
    names = [f"public_answers_{number}" if asks else None for number in range(3)]
    batch = [
        publication(caller, public, response_topic=name)
        for caller, name in zip(callers, names, strict=True)
    ]
    # Nobody could read the answers to a caller without a row.
    others = ["FORBIDDEN"] * 2 if asks else ["STORED"] * 2
    assert codes(publish_batch(batch)) == ["STORED", *others]
    stored = BrokerMessage.objects.order_by("sequence").values_list("user", flat=True)
    assert [*stored] == [producer.pk, *([] if asks else [None, None])]
    assert ResponseTopic.objects.count() == int(asks)


def test_the_command_says_who_is_missing(nobody: Caller) -> None:
    """Rights for anonymous callers need their row; nothing is created without it."""
    with pytest.raises(CommandError, match="ANONYMOUS_USER_NAME"):
        call_command("dasf_topic", "new", "--create", "--anonymous")
    with pytest.raises(NotFoundError):
        access(Caller.system(), "new")


def test_the_demo_does_without(nobody: Caller, settings: Any, capsys: Any) -> None:
    """It says and serves what it can."""
    settings.DEBUG = True
    call_command("quickstart", "--no-serve")
    assert access(nobody, "echo").rights.may_produce
