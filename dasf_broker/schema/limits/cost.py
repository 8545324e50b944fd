"""The cost of an operation: how many fields its result may have, with all items of its pages.

The sizes of pages may be variables. So a cost is a number, plus terms that depend on variables.
Costs share the terms of fragments: there are never more terms than nodes in the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    ArgumentNode,
    GraphQLField,
    IntValueNode,
    ListValueNode,
    ValueNode,
    VariableNode,
    get_nullable_type,
    is_list_type,
)

Variables: TypeAlias = Mapping[str, Any]

#: The cost of introspection, which does not depend on the database.
INTROSPECTION = {"__schema": 2500, "__type": 100}


@dataclass(frozen=True, slots=True)
class PageSize:
    """The number of items in a page: variables, a literal, and limits."""

    variables: tuple[str, ...]
    #: The number in the document; ``None`` if there is none.
    literal: int | None
    default: int
    most: int

    def __call__(self, variables: Variables) -> int:
        """Return how many items there may be."""
        given = [_number(variables.get(name)) for name in self.variables]
        sizes = [each for each in (*given, self.literal) if each is not None]
        # A size out of range is refused when the page is read; it must not lower the cost here.
        return min(max(0, *sizes), self.most) if sizes else self.default


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The number of items in a mutation: variables, and the longest list in the document."""

    variables: tuple[str, ...]
    literal: int

    def __call__(self, variables: Variables) -> int:
        """Return how many items there are."""
        lists = [variables.get(name) for name in self.variables]
        return max([self.literal, *(len(each) for each in lists if isinstance(each, list))])


Size: TypeAlias = PageSize | BatchSize


@dataclass(frozen=True, slots=True)
class Cost:
    """A number of fields, plus terms: each multiplies another cost by a size or a number."""

    fields: int = 0
    terms: tuple[tuple[Size | int, Cost], ...] = ()

    def times(self, size: Size | int) -> Cost:
        """Return the cost of this number of items."""
        if isinstance(size, (PageSize, BatchSize)) and not size.variables:
            size = size({})
        if isinstance(size, int) and not self.terms:
            return Cost(size * self.fields)
        return Cost(0, ((size, self),))

    def value(self, variables: Variables) -> int:
        """Return the number for some variables."""
        return _value(self, variables, {})


def total(costs: Sequence[Cost]) -> Cost:
    """Return the sum of costs."""
    waiting = tuple((1, each) for each in costs if each.terms)
    return Cost(sum(each.fields for each in costs if not each.terms), waiting)


def page_size(arguments: Sequence[ArgumentNode], default: int, most: int) -> PageSize:
    """Return the size of a page with the arguments ``first`` and ``last``."""
    values = [each.value for each in arguments if each.name.value in ("first", "last")]
    literals = [int(each.value) for each in values if isinstance(each, IntValueNode)]
    return PageSize(_names(values), max(literals, default=None), min(default, most), most)


def batch_size(field: GraphQLField | None, arguments: Sequence[ArgumentNode]) -> BatchSize:
    """Return how many items a mutation has; 1 if it takes no list."""
    known = field.args if field else {}
    values = [
        each.value
        for each in arguments
        if each.name.value in known and is_list_type(get_nullable_type(known[each.name.value].type))
    ]
    lengths = [len(each.values) for each in values if isinstance(each, ListValueNode)]
    return BatchSize(_names(values), max(lengths, default=1))


def is_paged(field: GraphQLField) -> bool:
    """Tell whether a field has pages."""
    return "first" in field.args or "last" in field.args


def _names(values: Sequence[ValueNode]) -> tuple[str, ...]:
    return tuple(each.name.value for each in values if isinstance(each, VariableNode))


def _number(value: Any) -> int | None:
    # Other values are refused when the variables are read.
    return int(value) if isinstance(value, (int, float)) and value == value // 1 else None


def _value(cost: Cost, variables: Variables, known: dict[int, int]) -> int:
    if not cost.terms:
        return cost.fields
    if (value := known.get(id(cost))) is None:
        value = cost.fields + sum(
            (size if isinstance(size, int) else size(variables)) * _value(each, variables, known)
            for size, each in cost.terms
        )
        known[id(cost)] = value
    return value
