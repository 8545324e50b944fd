"""End live subscriptions whose right was taken away.

The rows are read again and again, because bulk changes send no signals.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dasf_broker import database
from dasf_broker.concurrency.sweeper import Sweep
from dasf_broker.exceptions import ForbiddenError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import Access
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.permissions import RightsTable, rights_of
from dasf_broker.realtime.mailbox import Mailbox

#: Seconds between two reads. A right that is taken away ends subscriptions within 5 s.
INTERVAL = 2.0

#: The right that a subscriber must still have: the name of a property of ``TopicRights``.
Need: TypeAlias = Literal["may_consume", "is_visible"]


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    """A live subscription."""

    #: ``None`` for the server itself, which has all rights.
    user_id: Any
    topic_id: int
    slug: str
    need: Need
    mailbox: Mailbox


def end_when_revoked(
    services: Services, found: Access, mailbox: Mailbox, need: Need
) -> AbstractContextManager[None]:
    """End the subscription of a mailbox when its subscriber loses the right.

    Nothing is delivered from then on, not even messages that wait in the mailbox.
    """
    user, topic = found.caller.user, found.topic
    subscription = _Subscription(user.pk, topic.pk, topic.slug, need, mailbox)
    return services.sweeper.include(RIGHTS, subscription)


async def _check(subscriptions: Collection[_Subscription]) -> None:
    pairs = {(each.user_id, each.topic_id) for each in subscriptions}
    table = await database.read_first(_rights, pairs)
    for each in subscriptions:
        rights = table.get((each.user_id, each.topic_id))
        # The hub itself ends the subscriptions of a deleted topic.
        if rights is not None and not getattr(rights, each.need):
            error = ForbiddenError(f"You may no longer listen to topic {each.slug!r}.")
            each.mailbox.fail(error, at_once=True)


def _rights(pairs: Collection[tuple[Any, int]]) -> RightsTable:
    topics = BrokerTopic.objects.with_response_info().in_bulk({topic for _, topic in pairs})
    return rights_of([(user, topics[topic]) for user, topic in pairs if topic in topics])


#: The rights behind all live subscriptions.
RIGHTS: Sweep[_Subscription] = Sweep("dasf-rights", _check, INTERVAL)
