"""How a server process is: what it holds that it should let go of."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import weakref
from typing import Any, TypedDict

import redis.asyncio
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import connection
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from dasf_broker import app_settings, database
from dasf_broker.runtime import current
from tests.endurance.memory import resident_memory


class Vitals(TypedDict):
    """What ``/vitals`` answers, server to client."""

    tasks: int
    descriptors: int
    threads: int
    #: Websockets whose applications have not ended.
    sockets: int
    #: Topics with local subscribers.
    topics: int
    #: Local subscribers.
    mailboxes: int
    #: Memberships in groups of the channel layer, of all processes; one is the hub's own.
    memberships: int
    #: Requests that wait to be written.
    waiting: int
    #: Bytes that the server holds because clients do not take them.
    unsent: int
    #: Resident bytes.
    memory: int


#: The connections of the websockets of this process, as far as uvicorn still has them.
connections: weakref.WeakSet[WebSocketsSansIOProtocol] = weakref.WeakSet()

#: Those of them whose applications have not ended.
served: set[WebSocketsSansIOProtocol] = set()


async def vitals(*, collected: bool) -> Vitals:
    """Return how this process is, perhaps with everything collected that can be."""
    memberships = await _memberships(get_channel_layer())
    hub, writer = current().hub, current().writer
    if collected:
        _release_memory()
    return Vitals(
        tasks=len(asyncio.all_tasks()),
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - counts, and nothing else
        threads=threading.active_count(),
        sockets=len(served),
        topics=len(hub.topics),
        mailboxes=sum(len(each.mailboxes) for each in hub._topics.values()),
        memberships=memberships,
        waiting=writer._publishing.items + writer._acknowledging.items,
        unsent=sum(each.transport.get_write_buffer_size() for each in connections),
        memory=resident_memory("self"),
    )


async def warm_up() -> None:
    """Have each thread that uses the database open its connection."""
    together = threading.Barrier(app_settings.DASF_DATABASE_THREADS)

    def connect() -> None:
        connection.ensure_connection()
        together.wait(timeout=30)  # no thread may do the work of two

    await asyncio.gather(*(database.read(connect) for _ in range(together.parties)))
    await database.write(connection.ensure_connection)


async def _memberships(layer: Any) -> int:
    if isinstance(layer, InMemoryChannelLayer):
        return sum(len(members) for members in layer.groups.values())
    async with redis.asyncio.from_url(os.environ["REDIS_URL"]) as client:
        names = [name async for name in client.scan_iter(f"{layer.prefix}:group:*")]
        return sum([await client.zcard(name) for name in names])


def _release_memory() -> None:
    # What the allocator keeps for later is no leak.
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None:
        trim(0)
