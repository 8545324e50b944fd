"""The limits of a document, and the error for a document that exceeds one."""

from __future__ import annotations

from typing import NamedTuple

from graphql import GraphQLError, Node

from dasf_broker import app_settings
from dasf_broker.exceptions import QueryTooComplexError
from dasf_broker.schema.limits.errors import InvalidDocumentError


class Limit(NamedTuple):
    """A limit: its setting, the unit that is counted, and the text of the error."""

    setting: str
    unit: str
    text: str

    @property
    def most(self) -> int:
        """The current value of the setting."""
        value: int = getattr(app_settings, self.setting)
        return value

    def check(self, value: int, *nodes: Node) -> None:
        """Refuse a value that is too large.

        Raises
        ------
        InvalidDocumentError
            The value exceeds the setting.
        """
        if value > (most := self.most):
            raise self.exceeded(value, most, *nodes)

    def exceeded(self, value: int, most: int, *nodes: Node) -> InvalidDocumentError:
        """Return the error, which names the limit and the value."""
        cause = QueryTooComplexError(
            f"{self.text.format(most)}; this one has {value}.",
            limit=most,
            value=value,
            unit=self.unit,
        )
        return InvalidDocumentError(
            [GraphQLError(str(cause), list(nodes) or None, original_error=cause)]
        )


SIZE = Limit("DASF_MAX_QUERY_SIZE", "bytes", "A document has at most {} bytes")
TOKENS = Limit("DASF_MAX_QUERY_TOKENS", "tokens", "A document has at most {} tokens")
OPERATIONS = Limit(
    "DASF_MAX_QUERY_OPERATIONS", "operations", "A document has at most {} operations"
)
FRAGMENTS = Limit("DASF_MAX_QUERY_FRAGMENTS", "fragments", "A document has at most {} fragments")
DEPTH = Limit("DASF_MAX_QUERY_DEPTH", "levels", "An operation has at most {} levels of fields")
ALIASES = Limit("DASF_MAX_QUERY_ALIASES", "aliases", "An operation has at most {} aliases")
DIRECTIVES = Limit(
    "DASF_MAX_QUERY_DIRECTIVES", "directives", "An operation has at most {} directives"
)
REPEATS = Limit(
    "DASF_MAX_QUERY_REPEATS", "repeats", "A selection has the same field at most {} times"
)
ITEMS = Limit(
    "DASF_MAX_QUERY_ITEMS",
    "items",
    "The lists in an operation, or in a variable, have at most {} items",
)
COST = Limit(
    "DASF_MAX_QUERY_COST",
    "fields",
    "An operation has at most {} fields in all items of its pages: select fewer fields or ask for "
    "smaller pages (`first`)",
)
INTROSPECTION_DEPTH = Limit(
    "DASF_MAX_INTROSPECTION_DEPTH", "levels", "Introspection has at most {} levels of fields"
)
INTROSPECTION_LISTS = Limit(
    "DASF_MAX_INTROSPECTION_LISTS",
    "lists",
    "Introspection nests lists of fields or types at most {} times",
)
