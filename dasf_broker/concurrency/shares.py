"""The share of a caller: what must not use up a process belongs to one.

A caller's work takes turns with the work of the other callers. The share is a context variable, so
that tasks and loaders of an operation have it without being told. Work without a share is the
server's own: authentication, revocation, the hub.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

#: Equal for all work of one caller; ``None`` for the server's own.
Share: TypeAlias = Hashable | None

_share: ContextVar[Share] = ContextVar("dasf_share", default=None)


def current_share() -> Share:
    """Return the share of the running operation."""
    return _share.get()


@contextmanager
def working_for(share: Share) -> Iterator[None]:
    """Let what runs in this context belong to a share."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)
