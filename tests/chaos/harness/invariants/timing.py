"""Promises about time, as far as a history can show them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.chaos.harness.run import FINE, Run
from tests.chaos.harness.traces import Acknowledge, Publish, Subscription

#: Seconds within which every operation is answered, and half a second for the network.
ANSWER_TIME: Final = 10.5
#: Seconds without a fault before a delivery counts as a usual one.
CALM: Final = 5.0
#: Seconds after which a subscription has received the messages from before it.
AWAKE: Final = 1.0
#: Median seconds from answer to delivery. Polling the database alone would need about a second.
DELIVERY_TIME: Final = 0.5
#: Deliveries that it takes to speak of a median.
SAMPLES: Final = 20


def deliveries_come_at_once(run: Run) -> Iterator[str]:
    """See that messages are delivered at once, and not by polling, while there is no fault.

    Checked for each topic with enough deliveries, and for all topics together.
    """
    delays: defaultdict[str, list[float]] = defaultdict(list)
    for subscription in run.subscriptions.values():
        topic = subscription.opened.topic
        times = {each.message_id: each.at for each in reversed(subscription.deliveries)}
        awake_at = subscription.opened.at + AWAKE
        for publish in run.sent_between(topic, awake_at, subscription.ended_at):
            delivered_at = times.get(publish.invoked.message_id)
            if (delay := _delay(run, subscription, publish, delivered_at)) is not None:
                delays[f"topic {topic}"].append(delay)
    delays["all topics"] = [delay for of_topic in delays.values() for delay in of_topic]
    for name, values in delays.items():
        if len(values) < SAMPLES:
            continue
        if (middle := median(values)) < DELIVERY_TIME:
            yield FINE
        else:
            came = "never" if middle == math.inf else f"{middle:.3f} s after the publisher's answer"
            yield f"The median of {len(values)} deliveries of {name} in calm came {came}."


def answers_come_in_time(run: Run) -> Iterator[str]:
    """See that every operation is answered in time, unless the client itself was stopped.

    A client that timed out during a fault is not counted; a broker that is stopped cannot answer.
    """
    operations: list[Publish | Acknowledge] = [
        *run.publishes.values(),
        *run.acknowledges.values(),
    ]
    for operation in operations:
        if operation.end is None:
            continue
        start, end = operation.invoked.at, operation.end.at
        if run.is_stopped(operation.invoked.who, start, end):
            continue
        if not _is_answer(operation) and run.is_faulty(start - CALM, end):
            continue
        if end - start > ANSWER_TIME:
            yield f"{operation}, invoked {run.when(start)}, took {end - start:.3f} s."
        else:
            yield FINE


# --- helpers ----------------------------------------------------------------------------------


def _delay(
    run: Run, subscription: Subscription, publish: Publish, delivered_at: float | None
) -> float | None:
    """Return the seconds from answer to delivery, if everything was as usual."""
    opened, message = subscription.opened, run.message_of(publish)
    if publish.answered is None or len(message.publishes) > 1:
        return None
    answered_at = publish.answered.at
    if delivered_at is None:
        # It ended without the message, although it waited long enough for it.
        left_at = -math.inf if subscription.ended is None else subscription.ended_at
        if left_at < answered_at + DELIVERY_TIME:
            return None
        delivered_at = math.inf
    seen_at = min(delivered_at, answered_at + CALM)
    if run.is_faulty(publish.invoked.at - CALM, seen_at, opened.who, publish.invoked.who):
        return None
    return max(0.0, delivered_at - answered_at)


def _is_answer(operation: Publish | Acknowledge) -> bool:
    # "Unavailable" is an answer, too.
    return getattr(operation.end, "reason", "UNAVAILABLE").startswith("UNAVAILABLE")
