"""How asynchronous code writes: by the writer of its event loop, and announced before it returns.

An event loop may end as soon as a function returns, and with it the announcements that still wait.
So each function waits until its own are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from dasf_broker import database, runtime
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.acknowledge import Acknowledged, Acknowledging
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.storage.lock import TopicRow
from dasf_broker.realtime.announcer import flush
from dasf_broker.realtime.sender import SEND_TIMEOUT

P = ParamSpec("P")
T = TypeVar("T")


async def publish(publications: Sequence[Publication]) -> Sequence[Published | BrokerError]:
    """Publish messages."""
    if not publications:
        return []
    outcomes = await runtime.current().writer.publish(publications)
    await flush(SEND_TIMEOUT)
    return outcomes


async def acknowledge(item: Acknowledging) -> Acknowledged:
    """Acknowledge a message."""
    return await runtime.current().writer.acknowledge_one(item)


def asynchronous(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous form of a function that writes to the topic that it names first."""
    named = next(iter(signature(function).parameters))

    @wraps(function)
    async def write(*args: P.args, **kwargs: P.kwargs) -> T:
        slug: Any = args[0] if args else kwargs.get(named)
        result = await database.write_rows([TopicRow(slug)], function, *args, **kwargs)
        await flush(SEND_TIMEOUT)
        return result

    write.__name__ = write.__qualname__ = f"a{function.__name__}"
    write.__doc__ = (
        f"Do as :func:`{function.__name__}` from asynchronous code, in a transaction of its own."
    )
    return write
