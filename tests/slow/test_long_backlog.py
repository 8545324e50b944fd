"""Very long backlogs are streamed page by page, in flat memory, while live messages go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endurance.test_long_backlog import Running, read_over_dasf, read_over_graphql, serving

pytestmark = pytest.mark.timeout(900)

SIZES = {"long": 200_000, "dasf": 30_000}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server with backlogs, and the keys of a producer and a consumer."""
    with serving(tmp_path_factory.mktemp("site"), SIZES) as running:
        yield running


async def test_graphql(running: Running) -> None:
    """200,000 messages, and those published meanwhile, come in order without hole."""
    await read_over_graphql(running, SIZES["long"])


async def test_dasf(running: Running) -> None:
    """The same over the DASF protocol."""
    await read_over_dasf(running, SIZES["dasf"])
