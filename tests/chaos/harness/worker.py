"""A process with publishers and consumers: ``python -m tests.chaos.harness.worker < work.json``.

``SIGTERM`` lets publishers finish their last message and ends the consumers; ``SIGUSR1`` makes the
consumers settle, see :meth:`.Consumer.settle`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.harness.clients import Server, http_client
from tests.chaos.harness.consuming import Consumer, Consuming
from tests.chaos.harness.journal import Journal
from tests.chaos.harness.publishing import Publisher, Publishing


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one worker process does."""

    name: str
    #: The folder of the history.
    folder: str
    seed: str
    #: Host and port of each server.
    servers: tuple[str, ...]
    publishers: tuple[Publishing, ...] = ()
    consumers: tuple[Consuming, ...] = ()

    def to_json(self) -> str:
        """Return the work as a worker reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """Return the work that :meth:`to_json` was called on."""
        fields = json.loads(text)
        publishers = tuple(Publishing(**each) for each in fields.pop("publishers"))
        consumers = tuple(
            Consuming(**{**each, "stay": tuple(each["stay"])}) for each in fields.pop("consumers")
        )
        servers = tuple(fields.pop("servers"))
        return cls(**fields, servers=servers, publishers=publishers, consumers=consumers)


async def do(work: Work) -> None:
    """Do the work until told to stop."""
    servers = [Server(address) for address in work.servers]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with Journal(Path(work.folder), work.name) as journal:
        async with http_client() as http:
            consumers = [Consumer(each, servers, journal, work.seed) for each in work.consumers]

            def settle() -> None:
                for consumer in consumers:
                    consumer.settle()

            loop.add_signal_handler(signal.SIGUSR1, settle)
            publishers = [
                Publisher(each, servers, journal, http, work.seed) for each in work.publishers
            ]
            await _run(publishers, consumers, stop)


async def _run(publishers: list[Publisher], consumers: list[Consumer], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        consuming = [group.create_task(consumer.run()) for consumer in consumers]
        publishing = [group.create_task(publisher.run(stop)) for publisher in publishers]
        await stop.wait()
        for task in consuming:
            task.cancel()
        await asyncio.gather(*publishing)


if __name__ == "__main__":
    asyncio.run(do(Work.from_json(sys.stdin.read())))
