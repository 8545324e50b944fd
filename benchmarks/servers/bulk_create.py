"""The yardstick for batches: Django's own ``bulk_create`` of the same rows, and nothing else.

Runs on a site: ``python -m benchmarks.servers.bulk_create TOPIC SECONDS BATCH``; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from uuid import UUID

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django first
from django.utils import timezone  # noqa: E402

from benchmarks.load.messages import Message  # noqa: E402
from dasf_broker.domain.envelope import encode_payload  # noqa: E402
from dasf_broker.models import BrokerMessage, BrokerTopic  # noqa: E402


def main() -> None:
    """Write batches; say how many rows that were."""
    slug, seconds, size = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    topic = BrokerTopic.objects.get(slug=slug)
    user = get_user_model().objects.get(username="producer")
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        rows = [_row(topic, user, count + number) for number in range(size)]
        BrokerMessage.objects.bulk_create(rows)  # in a transaction of its own
        count += size
    BrokerMessage.objects.filter(topic=topic).delete()
    sys.stdout.write(json.dumps({"rate": count / spent, "messages": count}))


def _row(topic: BrokerTopic, user: Any, sequence: int) -> BrokerMessage:
    message = Message(sequence)
    payload = encode_payload(json.dumps(message.data).encode())
    properties = {"messageType": "request"}
    return BrokerMessage(
        topic=topic,
        message_id=UUID(message.id),
        sequence=sequence,
        user=user,
        message_type="request",
        content={"messageId": message.id, "properties": properties, "payload": payload},
        fingerprint="0" * 64,
        date_created=timezone.now(),
    )


if __name__ == "__main__":
    main()
