"""Documents for the tests of their measure: a small schema, and an expansion without any memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
)
from hypothesis import strategies as st

SCHEMA = build_schema(
    """
    type Query { a: Query  b: Query  value: Int  page(first: Int, last: Int): Page }
    type Page { edges: [Edge!]!  total: Int }
    type Edge { node: Query  cursor: Int }
    type Mutation { many(items: [Item!]!): Many  one(item: Item!): Many }
    type Many { results: [Edge!]! }
    input Item { name: String  tags: [String!]  more: [Item!] }
    """
)
PAGE = 100


@dataclass
class Tree:
    """A field with all that is below it, written out."""

    name: str
    key: str
    size: int
    directives: int
    has_alias: bool
    below: list[Tree] = field(default_factory=list)


def expand(document: DocumentNode) -> list[Tree]:
    """Return the fields of the first operation, each fragment written out where it is spread."""
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }

    def fields(node: SelectionSetNode | None) -> list[Tree]:
        found: list[Tree] = []
        for each in node.selections if node else ():
            if isinstance(each, FieldNode):
                found.append(_tree(each, fields(each.selection_set)))
            elif isinstance(each, InlineFragmentNode):
                found += fields(each.selection_set)
            else:
                found += fields(fragments[each.name.value].selection_set)  # type: ignore[attr-defined]
        return found

    [operation] = [
        each for each in document.definitions if isinstance(each, OperationDefinitionNode)
    ]
    return fields(operation.selection_set)


def _tree(node: FieldNode, below: list[Tree]) -> Tree:
    name = node.name.value
    given = [each.value for each in node.arguments or ()]
    sizes = [int(each.value) for each in given if isinstance(each, IntValueNode)]
    size = max(sizes, default=PAGE) if name == "page" else 1
    key = node.alias.value if node.alias else name
    return Tree(name, key, size, len(node.directives or ()), node.alias is not None, below)


def depth(trees: list[Tree]) -> int:
    """Return how many levels there are."""
    return max((1 + depth(each.below) for each in trees), default=0)


def aliases(trees: list[Tree]) -> int:
    """Return how many aliases there are."""
    return sum(each.has_alias + aliases(each.below) for each in trees)


def directives(trees: list[Tree]) -> int:
    """Return how many directives fields have."""
    return sum(each.directives + directives(each.below) for each in trees)


def repeats(trees: list[Tree]) -> int:
    """Return how often a name stands at one place, at the most."""
    here = Counter(each.key for each in trees)
    return max([*here.values(), *(repeats(each.below) for each in trees)], default=0)


def cost(trees: list[Tree], items: int = 1) -> int:
    """Return how many fields there are when all pages are full."""
    total = 0
    for each in trees:
        if each.name == "edges":
            total += 1 + items * cost(each.below)
        else:
            total += 1 + cost(each.below, each.size)
    return total


def _set_of(parts: list[str]) -> str:
    return "{ " + " ".join(parts or ["value"]) + " }"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a document of a few fragments that spread each other, without circles."""
    count = draw(st.integers(0, 4))

    def selection(first: int, levels: int) -> str:
        spreads = [st.just(f"...f{number}") for number in range(first, count)]
        leaves = [st.sampled_from(["value", "x: value", "value @skip(if: false)"])]
        deeper = [st.just("nest")] if levels else []
        kinds = draw(st.lists(st.one_of(*leaves, *spreads, *deeper), max_size=4))
        return _set_of([nested(first, levels - 1) if each == "nest" else each for each in kinds])

    def nested(first: int, levels: int) -> str:
        inner = selection(first, levels)
        arguments = draw(st.sampled_from(["", "(first: 3)", "(last: 7)"]))
        forms = [
            "a %s",
            "y: b %s",
            "... on Query %s",
            f"page{arguments} {{ total edges {{ node %s }} }}",
        ]
        return draw(st.sampled_from(forms)) % inner

    fragments = [f"fragment f{n} on Query {selection(n + 1, 2)}" for n in range(count)]
    return "\n".join([f"query {selection(0, 3)}", *fragments])
