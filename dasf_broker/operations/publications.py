"""Messages to publish. Their outcomes are in :mod:`dasf_broker.domain.publishing`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeAlias

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from dasf_broker.domain.envelope import Envelope
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.caller import Caller


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that a caller wants to publish to a topic."""

    caller: Caller
    slug: str
    envelope: Envelope
    #: Whether it counts for the caller's rates, and the topics that it creates for their bound.
    #: The host's own code is not counted.
    is_limited: bool = True


Outcomes: TypeAlias = list[Published | BrokerError]
PublishBatch: TypeAlias = Callable[[Sequence[Publication]], Outcomes]


def again_without_absent_users(publish: PublishBatch) -> PublishBatch:
    """Publish a batch again if the row of a user was deleted, to which those of messages refer.

    A caller is as old as its connection. One without a row may do what everybody may, and makes no
    message of others fail. Nothing is asked as long as nothing fails.

    Parameters
    ----------
    publish
        Publishes a batch in a transaction of its own.
    """

    @wraps(publish)
    def publish_present(publications: Sequence[Publication]) -> Outcomes:
        try:
            return publish(publications)
        except IntegrityError:
            absent = _absent_users(publications)
            if not absent:
                raise
        return publish([_without_row(each, absent) for each in publications])

    return publish_present


def _absent_users(publications: Sequence[Publication]) -> set[Any]:
    keys = {each.caller.row_key for each in publications} - {None}
    rows = get_user_model()._default_manager.filter(pk__in=keys)
    return keys - {*rows.values_list("pk", flat=True)}


def _without_row(publication: Publication, absent: Collection[Any]) -> Publication:
    caller = publication.caller
    if caller.row_key not in absent:
        return publication
    return replace(publication, caller=Caller.without_row(address=caller.address))
