"""Sizes in bytes, and budgets of them."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.sizes import ByteBudget, json_size, text_size
from dasf_broker.exceptions import PayloadTooLargeError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=JSON_VALUES)
def test_size_is_that_of_the_json(value: Any) -> None:
    """As it is written to clients: compact, and in ASCII."""
    written = json.dumps(value, separators=(",", ":"))
    assert json_size(value) == len(written.encode())
    if isinstance(value, str):
        assert text_size(value) == len(written)


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": b"b"}, [[]]])
def test_values_that_cannot_be_written(value: Any) -> None:
    """They have no size: writing them fails."""
    if value == [[]]:
        value[0].append(value)  # it contains itself
    assert json_size(value) == 0


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")), context=st.integers(0))
def test_size_of_an_envelope(text: str, context: int) -> None:
    """The same whether it was counted when it was checked, or is counted afterwards."""
    context %= 2**63
    made = Envelope.compose(max_size=10**6, text=text, properties={"a": text}, context=context)
    assert made.size == json_size(made.content)
    assert made.size == Envelope(made.message_id, made.properties, made.payload, context).size


def test_budget_of_several_threads() -> None:
    """They spend it together, and the error says what was asked for."""
    budget = ByteBudget(1000, lambda size, limit: PayloadTooLargeError(f"{size} of {limit}"))
    threads = [Thread(target=budget.spend, args=(100,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(PayloadTooLargeError, match=r"^1001 of 1000$"):
        budget.spend(1)
