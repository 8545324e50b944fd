"""A client whose token is refused, or revoked later, says so and does not knock for ever."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conftest import Deployment
from tests.clients.node import Node

#: graphql-ws takes 4401 for final. graphql-sse tries again whatever the status is, five times
#: unless it is told otherwise; what ends in order it leaves alone.
SOCKETS = {"attempts": 1, "says": "4401"}
REFUSED: dict[str, dict[str, Any]] = {
    "apollo": SOCKETS,
    "urql": SOCKETS,
    "graphql-ws": SOCKETS,
    "graphql-sse": {"attempts": 6, "says": "401"},
}
REVOKED = {**REFUSED, "graphql-sse": {"attempts": 1, "says": "UNAUTHENTICATED"}}


@pytest.mark.parametrize("library", REFUSED)
def test_refused_token(node: Node, deployment: Deployment, library: str) -> None:
    """The first answer is enough."""
    given = {**deployment.given(), "key": "wrong", **REFUSED[library]}
    node.run("refused", library=library, revoked=False, **given)


@pytest.mark.parametrize("library", REVOKED)
def test_revoked_token(node: Node, deployment: Deployment, library: str) -> None:
    """A live subscription ends with its token, and stays ended."""
    given = {**deployment.given(), "key": deployment.new_key("reader"), **REVOKED[library]}
    with node.started("refused", library=library, revoked=True, **given) as scenario:
        assert scenario.told() == "subscribed"
        deployment.revoke_keys("reader")
        scenario.tell("revoked")
