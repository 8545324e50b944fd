"""Whatever somebody with a good key does, the others are answered within half a second.

The attackers send without end, four at once: promise 16 allows a second for that.
"""

from __future__ import annotations

import pytest

from tests.acceptance.any_database.test_attacks import Limits, Running, attack, running
from tests.security.attackers import ATTACKS

__all__ = ["running"]


PROMISED = Limits(answer=0.5, turn=0.1)


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack(running: Running, name: str) -> None:
    """The server goes on for others, for as long as it is looked at."""
    await attack(running, name, seconds=3.0, limits=PROMISED)
