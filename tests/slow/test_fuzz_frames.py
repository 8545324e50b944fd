"""10,000 frames for each door, of which DASF has three sockets."""

from __future__ import annotations

import pytest

from tests.security.test_fuzz_frames import PATHS, fuzz_dasf, fuzz_graphql, key, no_errors

__all__ = ["key", "no_errors"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

EXAMPLES = 200


def test_graphql(key: str) -> None:
    """At the door of GraphQL."""
    fuzz_graphql(key, EXAMPLES)


@pytest.mark.parametrize("path", PATHS)
def test_dasf(key: str, path: str) -> None:
    """At each of the sockets of DASF."""
    fuzz_dasf(key, path, EXAMPLES // len(PATHS) + 1)
