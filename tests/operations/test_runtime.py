"""What one event loop owns goes with it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Collection

import pytest
from django.contrib.auth.models import User

from dasf_broker.models import BrokerTopic
from dasf_broker.runtime import Runtime, current
from tests.operations.streams import publication

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_left_of_a_loop(topic: BrokerTopic, producer: User) -> None:
    """Neither the writer nor a lookup keeps the loop that they were used in."""

    async def use() -> weakref.ref[Runtime]:
        await current().writer.publish_one(publication(producer))
        await current().lookup(_lengths).get("four")
        return weakref.ref(current())

    used = asyncio.run(use())
    gc.collect()
    assert used() is None


async def test_each_part_is_made_once() -> None:
    """The same runtime, writer and lookup are returned for the same loop."""
    assert current() is current()
    assert current().writer is current().writer
    assert current().lookup(_lengths) is current().lookup(_lengths)


def _lengths(words: Collection[str]) -> dict[str, int]:
    return {word: len(word) for word in words}
