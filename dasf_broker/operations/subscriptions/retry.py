"""Subscribe to a topic, and again after each error: for clients that cannot subscribe again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.rates import Activity
from dasf_broker.exceptions import BadInputError, BrokerError
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.rate_limits import admit
from dasf_broker.operations.subscriptions.consumers import wait_until_consumable
from dasf_broker.operations.subscriptions.messages import messages
from dasf_broker.operations.subscriptions.services import Services
from dasf_broker.realtime.mailbox import Delivery

#: Seconds before a failed subscription begins again.
PAUSE = 1.0


async def messages_with_retry(
    services: Services, caller: Caller, slug: str
) -> AsyncIterator[Delivery]:
    """Yield the messages of a topic, of all types, whenever the caller may consume them.

    The topic may not exist yet, or be deleted and created again; the right may be given later, or
    taken away for a while; the database may be unavailable for a moment. This ends only if the slug
    is not valid, so that such a topic can never exist.

    Raises
    ------
    RateLimitedError
        The caller subscribes too often. The subscription counts once, at the beginning.
    """
    await admit(caller, Activity.SUBSCRIBE)
    while True:
        try:
            await wait_until_consumable(services, caller, slug)
            stream = messages(
                services, caller, slug, types=frozenset(MessageType), is_limited=False
            )
            async with aclosing(stream) as deliveries:  # type: ignore[type-var]
                async for each in deliveries:
                    yield each
                    del each  # it may be large, and the next one long in coming
        except BadInputError:
            return  # not a slug
        except BrokerError:
            await asyncio.sleep(PAUSE)
