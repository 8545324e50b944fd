"""Requests that schemathesis makes up from the schema: none makes the server fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from graphql import ArgumentNode, ObjectFieldNode, StringValueNode, Visitor, parse, print_ast, visit
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from tests.acceptance.servers import Server, site

SCHEMA = Path(__file__).parents[2] / "schema.graphql"

#: Requests for each operation. `make test-slow` sends ten times as many.
REQUESTS = 20

RIGHTS = ["can_produce", "can_consume", "change_brokertopic", "delete_brokertopic"]
TOPICS: dict[str, dict[str, Any]] = {"topic": {"supports_dasf": True}, "other": {"is_public": True}}
#: Names that exist, as arguments may give them.
NAMES = {"topic": "topic", "slug": "topic", "username": "worker", "group": "nobodys"}

schemathesis.graphql.scalar("UUID", st.uuids().map(str).map(nodes.String))
schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda at: nodes.String(at.isoformat())))
_json = st.recursive(
    st.booleans().map(nodes.Boolean)
    | st.integers(-(2**31), 2**31 - 1).map(nodes.Int)
    | st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float)
    | st.text(st.characters(codec="utf-8"), max_size=20).map(nodes.String),
    lambda inner: st.lists(inner, max_size=3).map(nodes.List),
    max_leaves=5,
)
schemathesis.graphql.scalar("JSON", _json)

_loaded: Any = schemathesis.graphql.from_path(SCHEMA).get_all_operations()
OPERATIONS = {operation.label: operation for operation in (each.ok() for each in _loaded)}


@dataclass
class Target:
    """The server, and what it answered so far."""

    http: httpx.Client
    answers: Counter[str] = field(default_factory=Counter)

    def ask(self, document: str) -> None:
        """Send a request; the server must know what to answer."""
        response = self.http.post("", json={"query": document})
        assert response.status_code < 500, document
        body = response.json()
        codes = [error["extensions"]["code"] for error in body.get("errors", [])]
        assert "INTERNAL" not in codes, document
        self.answers.update(codes or ["fine"])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Run a server with two topics, for somebody who may do everything with them."""
    with site(tmp_path_factory.mktemp("site")) as made:
        key = made.prepare(TOPICS, {"worker": RIGHTS})["worker"]
        with made.server() as server, _client(server, key) as http:
            yield Target(http)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_the_server_fail(target: Target, label: str) -> None:
    """Whatever fits the schema is answered: with a result, or with an error of the contract."""
    ask_much(target, label, REQUESTS)


def test_requests_came_through(target: Target) -> None:
    """Not all were refused at the door: many were executed, and the server is well."""
    assert target.answers.total() > REQUESTS * len(OPERATIONS) / 2
    assert target.answers["fine"] > target.answers.total() / 10, target.answers
    response = target.http.post("", json={"query": "{ viewer { username } }"})
    assert response.json() == {"data": {"viewer": {"username": "worker"}}}


def ask_much(target: Target, label: str, requests: int) -> None:
    """Send so many requests for an operation."""

    @seed(6)
    @settings(
        max_examples=requests,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy(), is_known=st.booleans())
    def check(case: Any, is_known: bool) -> None:
        # Most made-up names are of nothing. What is deleted would be missed by the next ones.
        renamed = is_known and label != "Mutation.deleteTopic"
        target.ask(_with_known_names(case.body) if renamed else case.body)

    check()


def _client(server: Server, key: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=server.graphql, headers=headers, trust_env=False, timeout=30)


def _with_known_names(document: str) -> str:
    class Rename(Visitor):
        def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
            return self._renamed(node)

        def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> Any:
            return self._renamed(node)

        def _renamed(self, node: Any) -> Any:
            name = NAMES.get(node.name.value)
            if name is None or not isinstance(node.value, StringValueNode):
                return None
            return type(node)(name=node.name, value=StringValueNode(value=name))

    return print_ast(visit(parse(document), Rename()))
