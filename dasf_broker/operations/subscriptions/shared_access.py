"""Access for subscribers: one query for all that come at once, for example after a restart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from dasf_broker.domain.rates import Activity
from dasf_broker.domain.slugs import check_slug
from dasf_broker.exceptions import NotFoundError
from dasf_broker.operations.access import Access, AccessTable
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.rate_limits import admit
from dasf_broker.operations.subscriptions.services import Services

#: A subscriber and the slug that they name.
_Wanted: TypeAlias = tuple[Caller, str]


async def admit_subscriber(services: Services, caller: Caller, slug: str) -> Access:
    """Count a new subscription for the rate limits, and return its topic.

    Raises
    ------
    RateLimitedError
        The caller subscribes too often.
    BadInputError, NotFoundError, UnavailableError
        As :func:`shared_access`.
    """
    await admit(caller, Activity.SUBSCRIBE)
    return await shared_access(services, caller, slug)


async def shared_access(services: Services, caller: Caller, slug: str) -> Access:
    """Return a topic for a caller that wants to subscribe to it.

    Raises
    ------
    BadInputError, NotFoundError
        As :func:`.access.access`.
    UnavailableError
        The database does not answer.
    """
    found = await services.lookup(_look_up).get((caller, check_slug(slug)))
    if found is None:
        raise NotFoundError.topic(slug)
    return replace(found, caller=caller)  # of the same user, perhaps with another address


def _look_up(wanted: Collection[_Wanted]) -> Mapping[_Wanted, Access]:
    table, found = AccessTable(wanted), {}
    for caller, slug in wanted:
        with suppress(NotFoundError):
            found[caller, slug] = table.get(caller, slug)
    return found
