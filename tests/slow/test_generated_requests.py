"""Very many requests that schemathesis makes up from the schema: none makes the server fail."""

from __future__ import annotations

import pytest

from tests.acceptance.test_generated_requests import OPERATIONS, REQUESTS, Target, ask_much, target

__all__ = ["target"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_the_server_fail(target: Target, label: str) -> None:
    """Whatever fits the schema is answered: with a result, or with an error of the contract."""
    ask_much(target, label, 10 * REQUESTS)
