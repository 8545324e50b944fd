"""Apollo's cache, and the interfaces of our schema that it must know."""

from __future__ import annotations

import json
import re

from graphql import GraphQLInterfaceType

from dasf_broker.schema import schema
from tests.clients.conftest import Deployment
from tests.clients.node import EXAMPLES, Node


def test_cache(node: Node, deployment: Deployment) -> None:
    """Fragments on interfaces, and one object for each id."""
    node.run("cache", **deployment.given())


def test_possible_types() -> None:
    """The example names all interfaces of the schema with the types that implement them."""
    text = (EXAMPLES / "apollo" / "src" / "possible-types.js").read_text(encoding="utf-8")
    literal = text.partition("possibleTypes = ")[2].rstrip(";\n")
    named = json.loads(re.sub(r",(\s*})", r"\1", re.sub(r"(\w+):", r'"\1":', literal)))
    known = schema._schema
    interfaces = [
        each for each in known.type_map.values() if isinstance(each, GraphQLInterfaceType)
    ]
    assert named == {
        each.name: sorted(type_.name for type_ in known.get_possible_types(each))
        for each in interfaces
    }
