"""The schema: exported, described, complete, and fit to be mixed into a host's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    specified_directives,
)
from pytest_django import Settings

from dasf_broker.schema import schema
from dasf_broker.transports.http.django_view import GraphQLView
from tests.doors import host_schema
from tests.doors.conftest import OpenSocket
from tests.doors.contract_of_design import ENUMS, FIELDS, INPUTS, INTERFACES

EXPORTED = Path(__file__).parents[2] / "schema.graphql"


def test_export_is_not_stale() -> None:
    """The file in the repository says what the server serves: `make schema` writes it."""
    assert EXPORTED.read_text(encoding="utf-8") == schema.as_str() + "\n"


def test_everything_is_described() -> None:
    """Whoever explores the API finds a sentence at every element."""
    assert [name for name, described in _elements(_graphql()) if not described] == []


def test_descriptions_are_sentences() -> None:
    """A description begins with a capital and ends with a full stop, where it is ours."""
    strawberrys = {"Node", "PageInfo", "DateTime", "JSON"}
    own = [name for name in _own_types() if name not in strawberrys]
    wrong = [
        f"{name}: {text}"
        for name in own
        if (text := _graphql().type_map[name].description)
        and not re.match(r"[A-Z].*\.$", text, re.DOTALL)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_the_contract(name: str) -> None:
    """Every field that the contract names is there, with its type and arguments."""
    owner = _graphql().type_map[name]
    assert isinstance(owner, (GraphQLObjectType, GraphQLInterfaceType))
    for field, (arguments, kind) in FIELDS[name].items():
        found = owner.fields[field]
        assert str(found.type) == kind, field
        assert {arg: str(given.type) for arg, given in found.args.items()} == arguments, field


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_of_the_contract(name: str) -> None:
    """Every input field that the contract names is there, with its type."""
    owner = _graphql().type_map[name]
    assert isinstance(owner, GraphQLInputObjectType)
    found = {field: str(given.type) for field, given in owner.fields.items()}
    assert INPUTS[name].items() <= found.items()


@pytest.mark.parametrize("name", ENUMS)
def test_values_of_the_contract(name: str) -> None:
    """Every enumeration has the values that the contract names, and no others."""
    owner = _graphql().type_map[name]
    assert isinstance(owner, GraphQLEnumType)
    assert set(owner.values) == ENUMS[name]


@pytest.mark.parametrize("name", INTERFACES)
def test_interfaces_of_the_contract(name: str) -> None:
    """Types are what the contract says they are."""
    owner = _graphql().type_map[name]
    assert isinstance(owner, (GraphQLObjectType, GraphQLInterfaceType))
    assert {each.name for each in owner.interfaces} == INTERFACES[name]


def test_defaults_of_the_contract() -> None:
    """What need not be said has the value that the contract names."""
    messages = _graphql().subscription_type.fields["messages"]  # type: ignore[union-attr]
    assert messages.args["start"].default_value.name == "OUTSTANDING"
    published = _graphql().type_map["PublishMessageInput"]
    assert published.fields["messageType"].default_value.name == "REQUEST"  # type: ignore[attr-defined]


def test_mixed_schema_has_both() -> None:
    """A host's schema has the broker's fields beside its own."""
    host = host_schema.schema._schema
    assert host.query_type is not None
    assert schema._schema.query_type is not None
    assert set(host.query_type.fields) == {*schema._schema.query_type.fields, "hostName"}


@pytest.mark.django_db(transaction=True)
async def test_mixed_schema_is_served_by_setting(
    enter: OpenSocket, settings: Settings, rf: RequestFactory
) -> None:
    """`DASF_GRAPHQL_SCHEMA` names it, for both doors."""
    settings.DASF_GRAPHQL_SCHEMA = "tests.doors.host_schema.schema"
    expected = {"data": {"hostName": "host", "viewer": {"username": None}}}
    assert await _asked(GraphQLView.as_view(), rf) == expected
    socket = await enter()
    await socket.subscribe(host_schema.QUERY)
    assert await socket.next() == expected


@pytest.mark.django_db(transaction=True)
async def test_mixed_schema_is_served_by_a_view_of_its_own(rf: RequestFactory) -> None:
    """`as_view(schema=...)` serves it beside the broker's."""
    view = GraphQLView.as_view(schema=host_schema.schema)
    assert (await _asked(view, rf))["data"]["hostName"] == "host"
    assert "errors" in await _asked(GraphQLView.as_view(), rf)


async def _asked(view: Any, rf: RequestFactory) -> Any:
    body = json.dumps({"query": host_schema.QUERY})
    response = await view(rf.post("/", body, content_type="application/json"))
    return json.loads(response.content)


def _graphql() -> GraphQLSchema:
    return schema._schema


def _own_types() -> list[str]:
    builtin = {"String", "Int", "Float", "Boolean", "ID"}
    return [
        name for name in _graphql().type_map if not name.startswith("__") and name not in builtin
    ]


def _elements(graphql: GraphQLSchema) -> list[tuple[str, str | None]]:
    """Return every element of the schema that is ours, and its description."""
    found: list[tuple[str, str | None]] = []
    for name in _own_types():
        owner: Any = graphql.type_map[name]
        found.append((name, owner.description))
        for field, each in getattr(owner, "fields", {}).items():
            found.append((f"{name}.{field}", each.description))
            for argument, given in getattr(each, "args", {}).items():
                found.append((f"{name}.{field}({argument})", given.description))
        for value, each in getattr(owner, "values", {}).items():
            found.append((f"{name}.{value}", each.description))
    own = [each for each in graphql.directives if each not in specified_directives]
    return found + [(f"@{each.name}", each.description) for each in own]
