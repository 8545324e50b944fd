"""What README.md promises is done here, as far as a machine can."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from graphql import OperationType

from dasf_broker import database, exceptions
from dasf_broker.app_settings import DEFAULTS
from dasf_broker.auth import create_token
from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping, pong
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish
from dasf_broker.permissions import Right
from dasf_broker.schema import served_schema
from dasf_broker.schema.execution.context import Context
from dasf_broker.signals import message_published
from dasf_broker.transports.connection.close_codes import CloseCode
from dasf_broker.transports.graphql.execution import GraphQLRequest, operation_type
from dasf_broker.transports.graphql.shared_results import stream
from tests import readme


@pytest.fixture
def weather(make_topic: Callable[..., BrokerTopic]) -> BrokerTopic:
    """Return the topic of the examples."""
    return make_topic("weather", supports_dasf=True)


@pytest.fixture
def ada(make_user: Callable[..., User], weather: BrokerTopic) -> User:
    """Return the user of the examples."""
    return make_user("ada", weather, Right.PRODUCE, Right.CONSUME)


@pytest.mark.django_db(transaction=True)
def test_curl_commands(ada: User) -> None:
    """Each request by curl is answered as README says, apart from ids and times."""
    _, key = create_token(ada)
    for body, (kind, expected) in readme.CURLS:
        assert kind == "json"
        response = Client().post(
            "/graphql/",
            body,
            content_type="application/json",
            headers={"authorization": f"Bearer {key}"},
        )
        assert _without_chance(response.json()) == _without_chance(json.loads(expected))
    assert len(readme.CURLS) == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("document", readme.DOCUMENTS)
async def test_graphql_documents(
    document: str, ada: User, weather: BrokerTopic, superuser: User, hub_lifetime: None
) -> None:
    """Each GraphQL document is executed without an error; a subscription receives something."""
    request = GraphQLRequest(document, {}, None)
    if operation_type(served_schema(), request) is OperationType.SUBSCRIPTION:
        result = json.loads(await _first_result(request, Caller(ada)))
    else:
        _, key = await database.read(create_token, superuser)
        headers = {"authorization": f"Bearer {key}"}
        result = (
            await AsyncClient().post(
                "/graphql/",
                {"query": document},
                content_type="application/json",
                headers=headers,
            )
        ).json()
    assert "errors" not in result
    assert all(result["data"].values())


@pytest.mark.django_db(transaction=True)
def test_operations(ada: User) -> None:
    """The code that calls operations works, the asynchronous part included."""
    names: dict[str, Any] = {"user": ada}
    exec(readme.python("# with a `user`"), names)  # noqa: S102 - our own README
    exec(readme.python("# asynchronous"), names)  # noqa: S102
    assert names["done"].status == "ACKNOWLEDGED"
    assert names["pinged"].access.topic.slug == "weather"

    async def run() -> Any:
        from dasf_broker.runtime import current

        again = Envelope.compose(max_size=1000, data={"celsius": 7})
        try:
            async with asyncio.timeout(20):
                return await names["publish_and_receive"](names["caller"], again), again.content
        finally:
            await current().close_hub()

    received, sent = asyncio.run(run())
    assert received == sent


def test_receiver(
    ada: User,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    """The receiver of a signal is called after commit."""
    names: dict[str, Any] = {}
    exec(readme.python("# mysite/receivers.py"), names)  # noqa: S102 - our own README
    try:
        with django_capture_on_commit_callbacks(execute=True):
            publish(_publication(ada))
    finally:
        message_published.disconnect(names["note"])
    assert capsys.readouterr().out == "weather: aGVsbG8=\n"


def test_settings_table() -> None:
    """The table has every setting, with its default and meaning."""
    expected = [
        [f"`{name}`", _shown_default(setting.default), setting.meaning]
        for name, setting in DEFAULTS.items()
    ]
    assert readme.table("name") == expected


def test_code_tables() -> None:
    """The tables have every code of an error, and every code that closes a socket."""
    codes = {kind.code for kind in exceptions.BrokerError.__subclasses__()}
    assert readme.first_column("code") == codes | {exceptions.INTERNAL}
    assert readme.first_column("close code") == {str(close.value) for close in CloseCode}


def test_rule_and_right_tables() -> None:
    """The tables have every storage rule and every right that decides something."""
    assert readme.first_column("rule") == {policy.value for policy in StoragePolicy}
    assert readme.first_column("right") == {right.value for right in Right}


def test_links_and_targets_exist() -> None:
    """What README links to is there, and `make` knows what README tells to make."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", readme.TEXT)
    assert not [link for link in links if not (readme.ROOT / link).exists()]
    makefile = (readme.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make (\w+)", readme.TEXT, re.MULTILINE))
    assert targets <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert {"demo", "test"} <= targets


def _shown_default(default: Any) -> str:
    if isinstance(default, str) and default in DEFAULTS:
        return f"as `{default}`"
    value = default.value if isinstance(default, Enum) else default
    return f"`{value!r}`".replace("'", '"')


def _without_chance(value: Any) -> Any:
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", json.dumps(value, sort_keys=True))
    return re.sub(r'"cursor": "[^"]+"', '"cursor": "CURSOR"', text)


# --- doing what it says -----------------------------------------------------------------------


def _publication(user: User) -> Publication:
    return Publication(Caller.of(user), "weather", Envelope.compose(max_size=1000, text="hello"))


async def _first_result(request: GraphQLRequest, caller: Caller) -> str:
    """Return the first result, while messages, pings and pongs go on until there is one."""
    results: Any = stream(served_schema(), request, Context(caller))
    async with aclosing(results), asyncio.timeout(20):
        first = asyncio.ensure_future(anext(results))
        while not first.done():
            await database.write(_do_everything, caller)
            await asyncio.wait({first}, timeout=0.05)
        text: str
        _, text = await first
        return text


def _do_everything(caller: Caller) -> None:
    publish(_publication(caller.user))
    ping(caller, "weather")
    pong(caller, "weather")
