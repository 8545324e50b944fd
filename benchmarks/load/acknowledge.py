"""Publish messages in batches, then acknowledge them: one at a time, or in batches.

Each half is measured by itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.load.command import Meter, Task, main
from benchmarks.load.http import Http
from benchmarks.load.messages import PUBLISH_MANY, Message
from benchmarks.load.roundtrip import ACKNOWLEDGE

ACKNOWLEDGE_MANY = """
mutation AcknowledgeMany($topic: String!, $ids: [UUID!]!) {
  acknowledgeMessages(topic: $topic, messageIds: $ids) {
    acknowledged results { messageId status removed }
  }
}
"""


async def work(task: Task) -> dict[str, float]:
    """Measure publishes and acknowledgements in a second."""
    size = task["batch"]
    batches = [[Message(number) for number in range(size)] for _ in range(task["batches"])]
    producers = await _connect(task, "producer")
    publishing = Meter(task)
    await _share(producers, batches, lambda http, batch: publish(http, task["topic"], batch))
    published = publishing.stop()
    consumers = await _connect(task, "consumer")
    acknowledging = Meter(task)
    if task["one_by_one"]:
        singles = [message.id for batch in batches for message in batch]
        await _share(consumers, singles, lambda http, each: _one(http, task["topic"], each))
    else:
        await _share(consumers, batches, lambda http, batch: _many(http, task["topic"], batch))
    acknowledged = acknowledging.stop()
    total = size * task["batches"]
    return {
        **acknowledged,
        "rate": total / acknowledged["seconds"],
        "published_rate": total / published["seconds"],
        "acknowledged": total,
    }


async def publish(http: Http, topic: str, batch: list[Message]) -> None:
    """Publish a batch; all of it must be stored."""
    inputs = [{"topic": topic, "messageId": each.id, "data": each.data} for each in batch]
    results = (await http.execute(PUBLISH_MANY, inputs=inputs))["results"]
    expected = [{"messageId": each.id, "status": "STORED", "error": None} for each in batch]
    if results != expected:
        raise ValueError(f"Not published: {results}")


async def _one(http: Http, topic: str, message_id: str) -> None:
    done = await http.execute(ACKNOWLEDGE, topic=topic, id=message_id)
    _check(done, message_id)


async def _many(http: Http, topic: str, batch: list[Message]) -> None:
    ids = [each.id for each in batch]
    done = await http.execute(ACKNOWLEDGE_MANY, topic=topic, ids=ids)
    for result, message_id in zip(done["results"], ids, strict=True):
        _check(result, message_id)


def _check(result: Any, message_id: str) -> None:
    if result != {"messageId": message_id, "status": "ACKNOWLEDGED", "removed": True}:
        raise ValueError(f"Not acknowledged: {result}")


async def _connect(task: Task, who: str) -> list[Http]:
    given = {**task, "producer": task[who]}
    return [await Http.connect(given) for _ in range(task["in_flight"])]


async def _share(connections: list[Http], items: list[Any], work: Any) -> None:
    waiting = iter(items)

    async def serve(http: Http) -> None:
        for item in waiting:
            await work(http, item)

    async with asyncio.TaskGroup() as group:
        for http in connections:
            group.create_task(serve(http))
    for http in connections:
        http.close()


if __name__ == "__main__":
    main(work)
