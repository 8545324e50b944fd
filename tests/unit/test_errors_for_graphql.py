"""Errors in the form of GraphQL: no suggestions, and bounded work for any text."""

from __future__ import annotations

from time import perf_counter

import pytest
from graphql import GraphQLError

from dasf_broker.domain.texts import MAX_TEXT
from dasf_broker.exceptions import ConflictError
from dasf_broker.schema.errors import format_errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Unknown type 'A'.", "Unknown type 'A'."),
        ("Unknown type 'A'. Did you mean 'B'?", "Unknown type 'A'."),
        ("Unknown type 'A'. Did you mean 'B', 'C', or 'D'?", "Unknown type 'A'."),
        ("Unknown 'A'.\n \tDid you mean 'B'? It is.", "Unknown 'A'. It is."),
        ("Did you mean 'B'?", ""),
        ("One. Did you mean 'B'? Two. Did you mean 'C'?", "One. Two."),
        ("Did you mean it", "Did you mean it"),
        ("Really? Did you mean it", "Really? Did you mean it"),
        ("  blanks  stay  ", "  blanks  stay  "),
        ("", ""),
    ],
)
def test_suggestions_are_left_out(text: str, shown: str) -> None:
    """The rest of the text stays as it is."""
    assert message(text) == shown


def test_long_texts_are_cut() -> None:
    """They repeat what the client sent; a suggestion that is cut in two goes as a whole."""
    assert message("a" * (MAX_TEXT + 1)) == "a" * MAX_TEXT
    edge = "a" * (MAX_TEXT - 30)
    assert message(f"{edge} Did you mean 'one', 'two' or 'three'?") == edge


@pytest.mark.parametrize("part", [" ", " Did you mean ", "Did you mean ?", "\n?", "D"])
def test_no_text_takes_long(part: str) -> None:
    """A text of a megabyte is no more work than one of a kilobyte."""
    text = part * (1_000_000 // len(part))
    begin = perf_counter()
    message(text)
    assert perf_counter() - begin < 1


def test_errors_without_a_place() -> None:
    """An error that did not come from a field has its text and code alone."""
    expected = {"message": "taken", "extensions": {"code": "CONFLICT"}}
    assert format_errors([ConflictError("taken")]) == [expected]


def message(text: str) -> str:
    """Return the text of an error of graphql-core as clients get it."""
    [shown] = format_errors([GraphQLError(text)])
    assert shown["extensions"] == {"code": "BAD_INPUT"}
    return str(shown["message"])
