"""Delete topics: they are hidden at once, and their rows removed in steps.

A topic may have hundreds of thousands of rows, and to delete them in one transaction would hold up
all other writes. So the transaction that deletes a topic hides it, gives its slug free, and removes
what is little. What is left the housekeeping removes, the row of the topic last.

This is the only way to delete topics: the methods ``delete`` of topics and their querysets call it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf
from typing import Any

from django.db import IntegrityError
from django.db.models import CharField, ProtectedError, Value
from django.db.models.functions import Cast, Concat
from django.db.models.signals import post_delete, pre_delete

from dasf_broker import clock, primary
from dasf_broker.db_connections import retried
from dasf_broker.domain.events import TopicDeleted
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicQuerySet,
    BrokerTopicUserPermission,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.operations.storage.host_rows import (
    check_unprotected,
    delete_host_rows,
    send,
    told_of,
)
from dasf_broker.operations.storage.lock import bound_waits
from dasf_broker.operations.storage.removal import delete_rows
from dasf_broker.realtime.announcer import announce_on_commit

logger = logging.getLogger(__name__)

#: Most rows that are removed in one transaction, rows of the host not counted.
STEP = 500

#: How the slug of a hidden topic begins. No client can name such a topic: it is no slug.
HIDDEN = "deleted:"

_Links = ResponseTopic.source_messages.through


def delete_topics(
    topics: Iterable[BrokerTopic], *, using: str | None = None
) -> tuple[int, dict[str, int]]:
    """Delete topics with all that belongs to them; subscriptions to them end.

    Parameters
    ----------
    topics
        Also response topics; those of the topics are deleted with them.
    using
        The alias of the database; without it the router says.

    Returns
    -------
    tuple
        How many topics and rows of the host were deleted, in all and by model.

    Raises
    ------
    ValueError
        A topic was never saved.
    ProtectedError, RestrictedError
        Rows of the host refer to them, and forbid it.
    """
    given = [*topics]
    using = using or primary.alias()
    if any(topic.pk is None for topic in given):
        raise ValueError("A topic that was never saved cannot be deleted.")
    with primary.atomic():
        bound_waits()
        gone = _with_answers([topic.pk for topic in given], using)
        counts: Counter[str] = Counter()
        for some in _pages(gone):
            counts += _delete_visibly(some, using)
        _remove_little([*gone], using)
        announce_on_commit([TopicDeleted(topic_id=pk, topic_slug=gone[pk]) for pk in gone])
    for topic in given:
        topic.pk = None  # as Django does
    return counts.total(), dict(counts)


def _delete_visibly(keys: Sequence[int], using: str) -> Counter[str]:
    """Do what all others see, and what the host is told; return what was deleted."""
    check_unprotected(keys, using)
    told = told_of(keys, using)
    send(pre_delete, told, using)
    counts = delete_host_rows(keys, using)
    counts[BrokerTopic._meta.label] = _hide(keys, using)
    send(post_delete, told, using)
    return counts


def remove_deleted(seconds: float = inf) -> Iterator[int]:
    """Remove what is left of deleted topics, and yield how many rows each small step removed.

    Parameters
    ----------
    seconds
        End after this time, even if something is left.
    """
    ends = time.monotonic() + seconds
    for removed in _remove_all_deleted():
        yield removed
        if time.monotonic() > ends:
            return


def _remove_all_deleted() -> Iterator[int]:
    using = primary.alias()
    # Response topics are newer than their sources, which they refer to.
    hidden = _all(using).filter(deleted_on__isnull=False).order_by("-pk")
    for topic_id in [*hidden.values_list("pk", flat=True)]:
        yield from _remove_all(topic_id, using)


def _all(using: str) -> BrokerTopicQuerySet:
    return BrokerTopicQuerySet(BrokerTopic, using=using)


def _with_answers(keys: Sequence[int], using: str) -> dict[int, str]:
    """Return the slugs of topics that are not hidden, and of all their response topics."""
    topics = BrokerTopic.objects.using(using).order_by("pk")
    found: dict[int, str] = {}
    column, new = "pk", {*keys}
    while new:
        page: dict[int, str] = {}
        for some in _pages(sorted(new)):
            page |= topics.filter(**{f"{column}__in": some}).values_list("pk", "slug")
        column, new = "responsetopic__is_response_for", page.keys() - found.keys()
        found |= page
    return found


def _pages(keys: Iterable[int]) -> Iterator[list[int]]:
    left = iter(keys)
    while page := [*islice(left, STEP)]:
        yield page


def _hide(keys: Sequence[int], using: str) -> int:
    locked = _all(using).select_for_update().filter(pk__in=keys).order_by("pk").values("pk")
    slug = Concat(Value(HIDDEN), Cast("pk", CharField()))
    visible = _all(using).filter(pk__in=locked, deleted_on__isnull=True)
    # A server of an older release neither shows nor pings it.
    return visible.update(deleted_on=clock.now(), slug=slug, is_public=False, supports_dasf=False)


# --- the rows of hidden topics ----------------------------------------------------------------


def _remove_little(keys: Sequence[int], using: str) -> None:
    left = STEP
    for topic_id in reversed(keys):
        removed, is_done = _remove_some(topic_id, left, using)
        left -= removed
        if left <= 0 or not is_done:
            return


def _remove_all(topic_id: int, using: str) -> Iterator[int]:
    is_done = False
    while not is_done:
        try:
            removed, is_done = _remove_step(topic_id, using)
        except (IntegrityError, ProtectedError) as error:
            logger.warning(
                "Rows of the deleted topic %s cannot be removed, because a table of this project "
                "refers to them: %s",
                topic_id,
                error,
            )
            return
        yield removed


@retried
def _remove_step(topic_id: int, using: str) -> tuple[int, bool]:
    with primary.atomic():
        bound_waits()
        return _remove_some(topic_id, STEP, using)


def _remove_some(topic_id: int, most: int, using: str) -> tuple[int, bool]:
    """Remove rows of a hidden topic; return how many, and whether nothing is left."""
    removed = _remove_messages(topic_id, most, using)
    for rows in _others(topic_id, using):
        if removed < most:
            removed += _delete_some(rows, most - removed)
    if removed >= most:
        return removed, False
    # The row itself: nobody can refer to it by now, except a table of the host.
    delete_host_rows([topic_id], using)
    for model in (ResponseTopic, BrokerTopic):
        removed += BrokerTopicQuerySet(model, using=using).filter(pk=topic_id)._raw_delete(using)
    return removed, True


def _remove_messages(topic_id: int, most: int, using: str) -> int:
    rows = BrokerMessage.objects.using(using).filter(topic=topic_id).order_by("sequence")
    page = [*rows.values_list("pk", flat=True)[:most]]
    if not page:
        return 0
    removed = 0
    for model, name in ((Acknowledgement, "message"), (_Links, "brokermessage")):
        if removed < most:
            below: Any = model._default_manager.using(using).filter(**{f"{name}__in": page})
            removed += _delete_some(below, most - removed)
    delete_rows(page[: most - removed])
    return removed + len(page[: most - removed])


def _others(topic_id: int, using: str) -> Iterator[Any]:
    yield RememberedMessage.objects.using(using).filter(topic=topic_id)
    yield _Links._default_manager.using(using).filter(responsetopic=topic_id)
    for rights in (BrokerTopicUserPermission, BrokerTopicGroupPermission):
        yield rights.objects.using(using).filter(content_object=topic_id)


def _delete_some(rows: Any, most: int) -> int:
    page = [*rows.order_by("pk").values_list("pk", flat=True)[:most]]
    if page:
        rows.model._default_manager.using(rows.db).filter(pk__in=page).delete()
    return len(page)
