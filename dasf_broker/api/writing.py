"""How asynchronous code writes: by the writer of its event loop, and told to all at the end.

An event loop may end as soon as a function returns, and would take with it what is still to be
announced. So each function waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dasf_broker import database
from dasf_broker.domain.publishing import Published
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.acknowledge import Acknowledged, Acknowledging
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.writer import GroupCommit, get_writer
from dasf_broker.realtime.announcer import flush

P = ParamSpec("P")
T = TypeVar("T")


async def publish(publications: Sequence[Publication]) -> list[Published | BrokerError]:
    """Publish messages; rates are not asked, because it is the host itself that publishes."""
    if not publications:
        return []
    outcomes = await GroupCommit.__call__(get_writer().publish, publications)
    await flush()
    return outcomes


async def acknowledge(item: Acknowledging) -> Acknowledged:
    """Acknowledge a message."""
    return await get_writer().acknowledge.one(item)


def asynchronous(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the asynchronous form of a function that writes."""

    @wraps(function)
    async def write(*args: P.args, **kwargs: P.kwargs) -> T:
        result = await database.write(function, *args, **kwargs)
        await flush()
        return result

    write.__name__ = write.__qualname__ = f"a{function.__name__}"
    write.__doc__ = (
        f"Do as :func:`{function.__name__}` from asynchronous code, in a transaction of its own."
    )
    return write
