"""Values that Hypothesis makes up for several test modules."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

#: Whole numbers of 64 bits, which JSON, msgpack and the databases hold alike.
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1)

#: Texts without NUL, which PostgreSQL cannot hold in JSON. No half surrogate pairs either.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))

#: JSON values. No NaN and no infinity: JSON has none.
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)

#: Further properties of a message: any object without the names that the broker reads itself.
PROPERTIES = st.dictionaries(
    TEXTS.filter(
        lambda name: name not in {"messageType", "response_topic", "fragment", "num_fragments"}
    ),
    JSON,
    max_size=4,
)
