"""Every result of every door is JSON for JavaScript; ``tests/security`` has the other parsers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.clients.node import Node
from tests.security.strict_json import check_results

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_result_of_every_door(node: Node, superuser: User) -> None:
    """One process of Node.js reads all of them."""
    with node.started("strict") as parser:

        def parse(text: str) -> None:
            parser.tell(text)
            assert parser.told() == {"error": None}, text

        check_results(superuser, parse, examples=30)
        parser.tell("NaN")
        assert parser.told()["error"]
        parser.tell(None)
