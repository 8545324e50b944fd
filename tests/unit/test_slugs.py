"""What the name of a topic may look like."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.slugs import MAX_SLUG_LENGTH, check_slug, is_derived
from dasf_broker.exceptions import BadInputError

CHARACTERS = string.ascii_letters + string.digits + "-_"


@given(slug=st.text(CHARACTERS, min_size=1, max_size=MAX_SLUG_LENGTH))
def test_every_slug_of_allowed_characters_is_accepted(slug: str) -> None:
    """Letters, digits, hyphens and underscores name a topic, up to the longest length."""
    assert check_slug(slug) == slug


@pytest.mark.parametrize(
    "slug", ["", " ", "a b", "a\n", "a/b", "a.b", "ä", "\u0661", "a\x00", "\ud800", "a" * 129]
)
def test_anything_else_is_refused(slug: str) -> None:
    """Other characters, nothing at all, and one character too many are wrong."""
    with pytest.raises(BadInputError) as caught:
        check_slug(slug, field="slug")
    assert caught.value.extensions == {"code": "BAD_INPUT", "field": "slug"}


def test_a_long_slug_is_not_repeated_in_the_error() -> None:
    """A megabyte of nonsense does not come back as a megabyte of error."""
    with pytest.raises(BadInputError) as caught:
        check_slug("x" * 1_000_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("weather_kWzPqXbT", True),
        ("weather-1", True),
        ("weather_", False),
        ("weather", False),
        ("weatherman", False),
        ("Weather_a", False),
        ("other_weather_a", False),
    ],
)
def test_names_of_response_topics(name: str, expected: bool) -> None:
    """The name of their topic comes first, and something comes after it."""
    assert is_derived(name, "weather") is expected
