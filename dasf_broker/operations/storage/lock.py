"""The lock of a topic: each change of its stored messages holds it.

A host may hold it for long, in a transaction of its own. So the writing thread waits for a lock
only for a moment, and then does something else first: see
:mod:`dasf_broker.concurrency.locked_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple

from django.contrib.auth import get_user_model
from django.db import OperationalError, connections
from django.db.models import CharField, Func, Q, QuerySet, Value

from dasf_broker import database, primary
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.sql.compiled import Selection

Rows = TypeVar("Rows", bound=QuerySet[Any, Any])
Values = TypeVarTuple("Values")
Params = ParamSpec("Params")
Result = TypeVar("Result")

#: How long the writing thread waits for a lock. Servers that write to the same topic hold its lock
#: for less.
WAIT = "25ms"

#: For the rest of the transaction. As a condition of the query that takes the first lock, it costs
#: no query of its own.
_BOUND = Func(
    *(Value("lock_timeout"), Value(WAIT), Value(True)),
    function="set_config",
    template="(SELECT %(function)s(%(expressions)s))",
    output_field=CharField(),
)


@dataclass(frozen=True, slots=True)
class TopicRow:
    """The row of a topic, by its slug."""

    slug: str


@dataclass(frozen=True, slots=True)
class TopicKey:
    """The same by its primary key."""

    topic_id: int


@dataclass(frozen=True, slots=True)
class UserRow:
    """The row of a user. What refers to it cannot be written while it is locked for an update."""

    user_id: Any


def lock_topic(topic: BrokerTopic) -> bool:
    """Lock a topic against concurrent publishes, acknowledgements, removals and changes of rights.

    The lock lasts until the transaction ends. Without it, if the last consumer but one acknowledges
    while the last one loses the right, neither transaction would see the other one, and the
    message would stay.

    Returns
    -------
    bool
        Whether the topic still exists. Its policy has then been read again.
    """
    for (policy,) in _locked(topic.pk):
        topic.store_messages = policy
        return True
    return False


def try_to_lock(topic: BrokerTopic) -> bool:
    """Do as :func:`lock_topic`, without waiting; return whether it exists and could be locked."""
    free = BrokerTopic.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=topic.pk)
    for policy in free.order_by().values_list("store_messages", flat=True):
        topic.store_messages = policy
        return True
    return False


def locked_in_order(topic_ids: Collection[int]) -> Any:
    """Return a subquery for an update of topics that locks them in the order of their keys.

    Then two updates of several topics never deadlock.
    """
    topics = BrokerTopic.objects.select_for_update(no_key=True).filter(pk__in=topic_ids)
    return bounded(topics.order_by("pk").values("pk"))


def free_in_order(topic_ids: Collection[int]) -> list[int]:
    """Lock topics without waiting; return the keys of those that could be locked."""
    topics = BrokerTopic.objects.select_for_update(no_key=True, skip_locked=True)
    return [*topics.filter(pk__in=topic_ids).order_by("pk").values_list("pk", flat=True)]


def bounded(rows: Rows) -> Rows:
    """Return a query that locks rows, and waits no longer than its thread may."""
    return _bounded(rows) if database.waits_briefly() else rows


def bound_waits() -> None:
    """Bound the waiting for all locks of the transaction that begins. One query, or none."""
    using = primary.connection()
    if database.waits_briefly() and using.vendor == "postgresql":
        with using.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{WAIT}'")


def locking(build: Callable[[*Values], Any]) -> Callable[[*Values], list[Any]]:
    """Return a :class:`Selection` that locks topics, and waits no longer than its thread may.

    Parameters
    ----------
    build
        As for a ``Selection``; it must be of topics.
    """
    patient: Selection[*Values] = Selection(build)
    brief: Selection[*Values] = Selection(lambda *values: _bounded(build(*values)))

    def lock(*values: *Values) -> list[Any]:
        return (brief if database.waits_briefly() else patient)(*values)

    return lock


def _bounded(rows: Rows) -> Rows:
    if connections[rows.db].vendor != "postgresql":
        return rows
    return rows.alias(_bound=_BOUND).filter(_bound__isnull=False)


@locking
def _locked(topic_id: int) -> Any:
    locked = BrokerTopic.objects.select_for_update(no_key=True).filter(pk=topic_id)
    return locked.order_by().values_list("store_messages")


async def write_topic(
    function: Callable[Concatenate[Caller, str, Params], Result],
    caller: Caller,
    slug: str,
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run a function that writes to one topic in the writing thread.

    If another transaction has locked the topic, it is called again when the topic is free.

    Raises
    ------
    UnavailableError
        The database does not answer, or the topic is locked for ``DASF_DATABASE_TIMEOUT``.
    """
    rows = [TopicRow(slug)]
    return await database.write_rows(rows, function, caller, slug, *args, **kwargs)


# --- who waits for which lock -----------------------------------------------------------------


def find_locked(rows: Collection[Hashable], waited_for: Hashable | None) -> set[Hashable]:
    """Return those of some rows that another transaction has locked.

    Parameters
    ----------
    rows
        Each a :class:`TopicRow`, a :class:`TopicKey` or a :class:`UserRow`.
    waited_for
        One of them, for which it waits as long as a write would: there may be a queue for its lock,
        in which nobody comes to an end who only looks.
    """
    if not connections[BrokerTopic.objects.db].features.has_select_for_update_skip_locked:
        return set()
    locked: set[Hashable] = {*_locked_topics(rows), *_locked_users(rows)}
    if waited_for in locked and _can_be_locked(waited_for):
        locked.discard(waited_for)
    return locked


def _locked_topics(rows: Collection[Hashable]) -> Iterator[Hashable]:
    topics = _topics(rows).order_by()
    with primary.atomic():
        free = topics.select_for_update(no_key=True, skip_locked=True)
        keys = {*free.values_list("pk", flat=True)}
        # A topic that does not exist is locked by nobody.
        existing = [*topics.values_list("pk", "slug")]
    for topic_id, slug in existing:
        if topic_id not in keys:
            yield from (TopicKey(topic_id), TopicRow(slug))


def _topics(rows: Iterable[Hashable]) -> QuerySet[BrokerTopic]:
    slugs = {row.slug for row in rows if isinstance(row, TopicRow)}
    keys = {row.topic_id for row in rows if isinstance(row, TopicKey)}
    topics: QuerySet[BrokerTopic] = BrokerTopic.objects.all()
    return topics.filter(Q(slug__in=slugs) | Q(pk__in=keys))


@primary.atomic()
def _locked_users(rows: Collection[Hashable]) -> Iterable[UserRow]:
    users = {row.user_id for row in rows if isinstance(row, UserRow)}
    if not users:
        return ()
    found = get_user_model()._base_manager.filter(pk__in=users).order_by().values_list("pk")
    sql, params = found.query.get_compiler(found.db).as_sql()
    with connections[found.db].cursor() as cursor:
        # As a foreign key does it. Most updates of a user lock less than this asks for.
        cursor.execute(f"{sql} FOR KEY SHARE SKIP LOCKED", params)
        free = {key for (key,) in cursor}
    return map(UserRow, {key for (key,) in found} - free)


def _can_be_locked(row: Hashable) -> bool:
    with suppress(OperationalError), primary.atomic():
        return bool(bounded(_topics([row]).select_for_update(no_key=True)))
    return False


database.find_locked_by(find_locked)
