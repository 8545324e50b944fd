"""Promise 8: readers that stall cost little memory and delay nobody."""

from __future__ import annotations

import statistics

import pytest

from tests.acceptance.servers import Server
from tests.endurance.test_stalled_readers import MEGABYTE, Keys, load_on, running, stalled_on

__all__ = ["running"]

pytestmark = pytest.mark.timeout(300)

#: More than 50 MB, in base64 on two topics.
LONG_FLOOD = 500

#: Rounds of either kind: more where the machine has so much else to do that three tell little.
FEWEST_ROUNDS, MOST_ROUNDS = 3, 7


async def test_memory(running: tuple[Server, Keys]) -> None:
    """Ten stalled readers on each topic cost under 50 MB, though they are sent more than that."""
    async with load_on(*running) as load:
        await load.flood()  # to be warm
        without = await load.flood(LONG_FLOOD)
        async with stalled_on(load):
            beside = await load.flood(LONG_FLOOD)
    assert beside - without < 50 * MEGABYTE


async def test_latency(running: tuple[Server, Keys]) -> None:
    """Beside ten stalled readers on each topic the others' 99th percentile at most doubles."""
    without: list[float] = []
    beside: list[float] = []
    async with load_on(*running) as load:
        await load.measure()  # to be warm
        for count in range(1, MOST_ROUNDS + 1):
            without.append(await load.measure())
            async with stalled_on(load):
                await load.flood()
                beside.append(await load.measure())
            if count >= FEWEST_ROUNDS and _is_at_most_double(beside, without):
                break
    assert _is_at_most_double(beside, without), (beside, without)


def _is_at_most_double(these: list[float], those: list[float]) -> bool:
    return statistics.median(these) <= 2 * statistics.median(those)
