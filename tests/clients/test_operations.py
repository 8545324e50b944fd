"""Each client can do what people want of it: ask, publish, subscribe, and read what is wrong."""

from __future__ import annotations

import pytest

from tests.clients.conftest import Deployment
from tests.clients.node import Node

LIBRARIES = ["apollo", "urql", "urql-events", "graphiql", "graphql-ws", "graphql-sse"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_operations(node: Node, deployment: Deployment, library: str) -> None:
    """A query, a mutation, a subscription, and their errors."""
    node.run("operations", library=library, **deployment.given())
