"""The measure of documents: right, and found in one look at each selection."""

from __future__ import annotations

import pytest
from graphql import Node, OperationDefinitionNode, Visitor, get_introspection_query, parse, visit
from hypothesis import given

from dasf_broker.schema.limits.errors import InvalidDocumentError
from dasf_broker.schema.limits.measure import Measure, Measuring
from tests.unit import documents
from tests.unit.documents import SCHEMA


@given(documents.documents())
def test_agrees_with_an_expansion(text: str) -> None:
    """What is remembered of fragments comes to the same as writing them out."""
    document = parse(text)
    trees, measure = documents.expand(document), _operation(Measuring(SCHEMA, document))
    assert measure.depth == documents.depth(trees)
    assert measure.aliases == documents.aliases(trees)
    assert measure.directives == documents.directives(trees)
    assert measure.repeats == documents.repeats(trees)
    assert measure.cost.value({}) == documents.cost(trees)
    assert not measure.introspects


@given(documents.documents())
def test_looks_at_nothing_twice(text: str) -> None:
    """There are never more looks than nodes."""
    document = parse(text)
    counter = _Counter()
    visit(document, counter)
    assert 0 < Measuring(SCHEMA, document).visited <= counter.nodes


def test_doubled_fragments_are_counted_and_not_expanded() -> None:
    """A chain of 1000 fragments that spread the next one twice stands for 2 ** 1000 fields."""
    steps = [f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in reversed(range(1000))]
    last = "fragment f1000 on Query { x: value }"
    measuring = Measuring(SCHEMA, parse("\n".join([last, *steps, "{ ...f0 }"])))
    measure = _operation(measuring)
    assert measure.aliases == measure.repeats == measure.cost.fields == 2**1000
    assert measuring.visited == 2 * 1000 + 2


def test_doubled_sizes_are_counted_and_not_expanded() -> None:
    """So it is where the sizes are variables: each term is reckoned once."""
    edges = "{ edges { node { ...f%d } } }"
    page = f"x: page(first: $n) {edges} y: page(last: $n) {edges}"
    steps = [f"fragment f{n} on Query {{ {page % (n + 1, n + 1)} }}" for n in range(40)]
    text = "\n".join(["query ($n: Int) { ...f0 }", *steps, "fragment f40 on Query { value }"])
    cost = _operation(Measuring(SCHEMA, parse(text))).cost
    assert cost.value({"n": 0}) == 4
    assert cost.value({"n": 1}) == 2**40 + 6 * (2**40 - 1)


@pytest.mark.parametrize(
    "text",
    [
        "{ ...a } fragment a on Query { ...a }",
        "{ ...a } fragment a on Query { a { ...b } } fragment b on Query { ...a }",
        "{ value } fragment a on Query { ... { ...b } } fragment b on Query { ...a }",
    ],
)
def test_circles_are_refused(text: str) -> None:
    """A fragment that contains itself is told by its name."""
    with pytest.raises(InvalidDocumentError) as caught:
        Measuring(SCHEMA, parse(text))
    [error] = caught.value.errors
    assert error.message == "Fragment 'a' contains itself."
    assert error.locations


def test_introspection_is_measured_by_itself() -> None:
    """The query of GraphiQL is one field deep, and has its own depth below."""
    text = get_introspection_query(
        specified_by_url=True, schema_description=True, input_value_deprecation=True, one_of=True
    )
    measure = _operation(Measuring(SCHEMA, parse(text)))
    assert (measure.depth, measure.introspection_depth, measure.introspection_lists) == (1, 15, 1)
    assert measure.introspects


@pytest.mark.parametrize(
    "text",
    [
        '{ __type(name: "X") { name } }',
        "{ ... { x: __schema { queryType { name } } } }",
        "{ ...a } fragment a on Query { ...b } fragment b on Query { __schema { description } }",
    ],
)
def test_introspection_is_found_anywhere(text: str) -> None:
    """Neither aliases nor fragments hide it."""
    assert _operation(Measuring(SCHEMA, parse(text))).introspects


def test_type_names_are_no_introspection() -> None:
    """Every client asks for them."""
    measure = _operation(Measuring(SCHEMA, parse("{ __typename a { __typename } }")))
    assert not measure.introspects
    assert measure.depth == 2


@pytest.mark.parametrize("text", ["{ no { way } }", "{ ...missing }", "{ a { ... on No { x } } }"])
def test_what_is_unknown_is_left_to_the_validation(text: str) -> None:
    """The measure takes any document that parses."""
    assert _operation(Measuring(SCHEMA, parse(text))).depth <= 2


class _Counter(Visitor):
    nodes = 0

    def enter(self, _: Node, *__: object) -> None:
        """Count a node."""
        self.nodes += 1


def _operation(measuring: Measuring) -> Measure:
    [found] = [
        each for node, each in measuring.measures if isinstance(node, OperationDefinitionNode)
    ]
    return found
