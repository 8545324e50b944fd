"""Cursors: what the broker gave comes back, and nothing else is taken for it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.cursors import (
    MAX_POSITION,
    decode_cursor,
    decode_message_cursor,
    encode_cursor,
    message_cursor,
)
from dasf_broker.exceptions import BadInputError

POSITIONS = st.integers(0, MAX_POSITION)

#: As long as slugs: in cursors, other signs than those of slugs take up to twelve letters each.
SHORT_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(topic_id=POSITIONS, sequence=POSITIONS, epoch=POSITIONS)
def test_a_message_cursor_comes_back(topic_id: int, sequence: int, epoch: int) -> None:
    """Topic, sequence and epoch survive."""
    cursor = message_cursor(topic_id, sequence, epoch)
    assert decode_message_cursor(cursor, field="after") == (topic_id, sequence, epoch)


@given(topic_id=POSITIONS, sequence=POSITIONS)
def test_a_cursor_of_a_release_without_epochs_is_one_of_epoch_0(
    topic_id: int, sequence: int
) -> None:
    """Topics that were there before the upgrade honour it, and give such cursors."""
    cursor = encode_cursor(topic_id, sequence)
    assert decode_message_cursor(cursor, field="after") == (topic_id, sequence, 0)
    assert message_cursor(topic_id, sequence, 0) == cursor


@given(name=SHORT_TEXTS, value=SHORT_TEXTS)
def test_a_text_cursor_comes_back(name: str, value: str) -> None:
    """So do texts, and the cursor fits into a URL."""
    cursor = encode_cursor(name, value)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor, str, str, field="after") == (name, value)


@given(cursor=st.text())
def test_garbage_is_bad_input(cursor: str) -> None:
    """Whatever a client invents is an answer about ``after``, never a crash."""
    try:
        position = decode_message_cursor(cursor, field="after")
    except BadInputError as error:
        assert error.details == {"field": "after"}  # noqa: PT017
    else:
        assert 0 <= min(position) <= max(position) <= MAX_POSITION


@pytest.mark.parametrize(
    "position",
    [
        [],
        [1],
        [1, 2, 3, 4],
        [1, 2, -3],
        [1, 2, "3"],
        [1, -1],
        [1, MAX_POSITION + 1],
        [1, 10**100],
        [1, 2.0],
        [1, True],
        [1, None],
        [1, "2"],
        ["slug", "a"],
        [[1], 2],
        {"1": 2},
        "12",
        12,
        None,
    ],
)
def test_other_positions_are_refused(position: Any) -> None:
    """Wrong kinds, wrong length, and numbers that no database takes."""
    with pytest.raises(BadInputError):
        decode_message_cursor(as_cursor(json.dumps(position)), field="after")


@pytest.mark.parametrize(
    "text", ["", "[1,2", "NaN", "[1,NaN]", "[" * 100_000, "9" * 100_000, "\ud800"]
)
def test_texts_that_are_no_json_are_refused(text: str) -> None:
    """Neither deep nesting nor endless numbers get through."""
    with pytest.raises(BadInputError):
        decode_message_cursor(as_cursor(text), field="after")


def test_a_long_cursor_is_not_repeated_in_the_error() -> None:
    """A megabyte of nonsense does not come back as a megabyte of error."""
    with pytest.raises(BadInputError) as caught:
        decode_message_cursor("x" * 1_000_000, field="after")
    assert len(str(caught.value)) < 300


def as_cursor(text: str) -> str:
    """Return a text dressed as a cursor."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
