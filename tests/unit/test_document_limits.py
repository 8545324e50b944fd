"""The limits of documents: what just fits passes, and one more is refused with what it has."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query
from pytest_django import Settings

from dasf_broker.exceptions import QueryTooComplexError
from dasf_broker.schema.execution import documents
from dasf_broker.schema.execution.documents import read_document
from dasf_broker.schema.limits.errors import InvalidDocumentError
from tests.unit.documents import SCHEMA

X = "fragment x on Query { value }"
INNER = "page(first: $m) { total edges { cursor } }"
ONE = "mutation ($i: Item!) { one(item: $i) { results { cursor } } }"
ITEMS = "mutation ($i: [Item!]!) { many(items: $i) { results { cursor } } }"

#: A setting and its unit, a document, and how much of that it has.
LIMITS = [
    ("SIZE", "bytes", "{ value } # ü", 14),
    ("TOKENS", "tokens", "{ value a { value } }", 7),
    ("OPERATIONS", "operations", "query x { value } query y { value }", 2),
    ("FRAGMENTS", "fragments", f"{{ ...x ...y }} {X} fragment y on Query {{ a {{ value }} }}", 2),
    ("DEPTH", "levels", "{ a { b { value } } }", 3),
    ("DEPTH", "levels", "{ ...x } fragment x on Query { a { ... { value } } }", 2),
    ("ALIASES", "aliases", "{ x: value y: value a { z: value } }", 3),
    ("ALIASES", "aliases", "{ ...x a { ...x } } fragment x on Query { x: value y: value }", 4),
    ("DIRECTIVES", "directives", "{ a @skip(if: true) { value @include(if: true) } }", 2),
    ("DIRECTIVES", "directives", f"{{ ...x @skip(if: true) ...x @include(if: true) }} {X}", 2),
    ("REPEATS", "repeats", "{ value value value a { value } }", 3),
    ("REPEATS", "repeats", "{ a { ...x ... { value } ...x } } fragment x on Query { value }", 3),
    ("ITEMS", "items", 'mutation { many(items: [{tags: ["a", "b"]}]) { results { cursor } } }', 3),
    ("ITEMS", "items", ITEMS.replace("!)", "! = [{}, {}])"), 2),
    ("COST", "fields", "{ page { edges { cursor } } }", 102),
    ("COST", "fields", "{ page(first: 2) { edges { node { page(last: 3) { total } } } } }", 8),
    ("COST", "fields", "mutation { many(items: [{}, {}]) { results { node { value } } } }", 6),
]  # fmt: skip

INTROSPECTION = [
    ("DEPTH", "levels", "{ __schema { types { name } } }", 3),
    (
        "DEPTH",
        "levels",
        "{ __schema { types { ...x } } } fragment x on __Type { ofType { name } }",
        4,
    ),
    ("LISTS", "lists", "{ __schema { types { fields { type { inputFields { name } } } } } }", 2),
]


@pytest.fixture(autouse=True)
def _unlimited(settings: Settings) -> None:
    """Leave one limit at a time."""
    for name in ("OPERATIONS", "FRAGMENTS", "DEPTH", "ALIASES", "DIRECTIVES", "ITEMS", "COST"):
        setattr(settings, f"DASF_MAX_QUERY_{name}", 1_000_000)
    settings.DASF_MAX_INTROSPECTION_LISTS = 9


@pytest.mark.parametrize(
    ("setting", "unit", "text", "value"),
    [(f"QUERY_{name}", *rest) for name, *rest in LIMITS]
    + [(f"INTROSPECTION_{name}", *rest) for name, *rest in INTROSPECTION],
)
def test_limit(setting: str, unit: str, text: str, value: int, settings: Settings) -> None:
    """The refusal names the limit, the value and the unit, in its text and for programs."""
    setattr(settings, f"DASF_MAX_{setting}", value)
    read_document(SCHEMA, text)
    setattr(settings, f"DASF_MAX_{setting}", value - 1)
    error = _refusal(text)
    assert error.extensions == {
        "code": "QUERY_TOO_COMPLEX", "limit": value - 1, "value": value, "unit": unit,
    }  # fmt: skip
    assert f" {value - 1} " in str(error)
    assert str(error).endswith(f" {value}.")


@pytest.mark.parametrize(
    ("text", "variables", "cost"),
    [
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": 7}, 9),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {}, 102),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": None}, 102),
        ("query ($n: Int = 5) { page(first: $n) { edges { cursor } } }", {}, 7),
        ("query ($n: Int = 5) { page(first: $n) { edges { cursor } } }", {"n": 6}, 8),
        # What is refused later does not make up for what is not.
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": -50}, 2),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": 10**30}, 502),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": 8.0}, 10),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": float("inf")}, 102),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": float("nan")}, 102),
        ("query ($n: Int) { page(first: $n) { edges { cursor } } }", {"n": [9]}, 102),
        (
            f"query ($n: Int, $m: Int) {{ page(last: $n) {{ edges {{ node {{ {INNER} }} }} }} }}",
            {"n": 10, "m": 20},
            2 + 10 * (4 + 20),
        ),
        (ITEMS, {"i": [{}, {}]}, 4),
        (ITEMS, {"i": {}}, 3),
    ],
)  # fmt: skip
def test_cost_that_waits_for_variables(
    text: str, variables: dict[str, Any], cost: int, settings: Settings
) -> None:
    """The same document costs more or less, by the sizes of its pages."""
    settings.DASF_MAX_QUERY_COST = cost
    read_document(SCHEMA, text).operation(None).check_variables(variables)
    settings.DASF_MAX_QUERY_COST = cost - 1
    error = _refusal(text, variables)
    assert error.extensions["value"] == cost


@pytest.mark.parametrize(
    ("text", "variables", "count"),
    [
        (ITEMS, {"i": [{}] * 5}, 5),
        (ITEMS, {"i": [{"tags": ["a"] * 3}, {"more": [{"tags": "a"}, {"tags": ["a"]}]}]}, 8),
        (ITEMS, {"i": [[], 3, None, {"unknown": [1, 2], "name": [1, 2]}]}, 4),
        (ONE, {"i": {"tags": ["a"] * 4}}, 4),
    ],
)  # fmt: skip
def test_lists_in_variables(
    text: str, variables: dict[str, Any], count: int, settings: Settings
) -> None:
    """They are counted before anybody reads their items."""
    settings.DASF_MAX_QUERY_ITEMS = count
    read_document(SCHEMA, text).operation(None).check_variables(variables)
    settings.DASF_MAX_QUERY_ITEMS = count - 1
    error = _refusal(text, variables)
    assert (error.extensions["unit"], error.extensions["value"]) == ("items", count)


def test_comments_are_no_way_around(settings: Settings) -> None:
    """They are no tokens, and take as much memory: there are as many at most."""
    settings.DASF_MAX_QUERY_TOKENS = 5
    assert read_document(SCHEMA, "{ value" + " # a\n" * 5 + "}")
    with pytest.raises(InvalidDocumentError):
        read_document(SCHEMA, "{ value" + " # a\n" * 6 + "}")


def test_unused_fragments_are_measured(settings: Settings) -> None:
    """Their validation would take as long as that of others."""
    settings.DASF_MAX_QUERY_DEPTH = 2
    text = "{ value } fragment x on Query { a { a { value } } }"
    assert _refusal(text).extensions["unit"] == "levels"


@pytest.mark.parametrize("levels", [7, 9])
def test_introspection_of_tools_passes(levels: int) -> None:
    """GraphiQL's query, of older and newer releases, fits the limits as they come."""
    text = get_introspection_query(type_depth=levels, one_of=True, specified_by_url=True)
    assert read_document(SCHEMA, text).operation(None).introspects


def test_documents_are_kept_once() -> None:
    """The second time costs a look into a table."""
    text = b"{ a { value } }"  # each request has a text of its own
    assert read_document(SCHEMA, text.decode()) is read_document(SCHEMA, text.decode())


def test_documents_that_are_kept_have_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked for last stay; large ones leave room for fewer."""
    monkeypatch.setattr(documents, "CACHE_BYTES", 40 * documents.TOKEN_BYTES)
    texts = [f"{{ x{number}: value }}" for number in range(9)]
    kept = [read_document(SCHEMA, text) for text in texts]
    assert read_document(SCHEMA, texts[-1]) is kept[-1]
    assert read_document(SCHEMA, texts[0]) is not kept[0]


def _refusal(text: str, variables: dict[str, Any] | None = None) -> QueryTooComplexError:
    with pytest.raises(InvalidDocumentError) as caught:
        read_document(SCHEMA, text).operation(None).check_variables(variables or {})
    [error] = caught.value.errors
    assert isinstance(error.original_error, QueryTooComplexError)
    return error.original_error
