"""Let listeners in: those who come at once, after a restart say, are looked up together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from dasf_broker.concurrency.batching import Gathering
from dasf_broker.domain.slugs import check_slug
from dasf_broker.exceptions import NotFoundError
from dasf_broker.operations.access import Access, AccessTable
from dasf_broker.operations.caller import Caller

#: A listener and the slug that they name.
Wanted: TypeAlias = tuple[Caller, str]


async def let_in(caller: Caller, slug: str) -> Access:
    """Return a topic for a caller who wants to listen to it.

    Raises
    ------
    BadInputError, NotFoundError
        As :func:`.access.access`.
    UnavailableError
        The database does not answer.
    """
    found = await _doorkeeper.get((caller, check_slug(slug)))
    if found is None:
        raise NotFoundError.topic(slug)
    return replace(found, caller=caller)  # the same user, who may have come twice


def _look_up(wanted: Collection[Wanted]) -> Mapping[Wanted, Access]:
    table, found = AccessTable(wanted), {}
    for caller, slug in wanted:
        with suppress(NotFoundError):
            found[caller, slug] = table.get(caller, slug)
    return found


_doorkeeper: Gathering[Wanted, Access] = Gathering(_look_up)
