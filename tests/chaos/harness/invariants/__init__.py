"""What must hold in every history: the delivery promises, each as one short function.

An invariant is a function that checks a :class:`~tests.chaos.harness.run.Run` and yields once for
each thing that it checks: ``FINE``, or a sentence that says what is wrong. The name of the function
is its name in the table; the first line of its docstring is the promise. To add one, write it and
add it to :data:`INVARIANTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.chaos.harness.invariants import (
    acknowledging,
    ordering,
    publishing,
    resuming,
    timing,
    unstored,
)
from tests.chaos.harness.run import Run

Invariant = Callable[[Run], Iterator[str]]

#: All invariants, in the order of the table.
INVARIANTS: Final[tuple[Invariant, ...]] = (
    publishing.answered_is_kept,
    publishing.answered_is_delivered,
    publishing.nothing_from_nowhere,
    publishing.refused_is_refused,
    publishing.published_once,
    acknowledging.acknowledged_stays_away,
    acknowledging.acknowledgements_are_kept,
    acknowledging.acknowledgements_find_their_message,
    ordering.subscriptions_are_in_order,
    ordering.delivered_once,
    ordering.one_message_one_sequence,
    ordering.sequences_follow_time,
    resuming.readers_miss_nothing,
    unstored.loss_is_told,
    unstored.loss_needs_a_fault,
    unstored.told_loss_is_real,
    unstored.stored_is_never_missed,
    timing.deliveries_come_at_once,
    timing.answers_come_in_time,
)
