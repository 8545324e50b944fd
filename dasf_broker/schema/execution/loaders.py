"""Loaders, which combine single reads of the resolvers of one operation into one read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from strawberry.dataloader import DataLoader

from dasf_broker import database
from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.exceptions import BrokerError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.browse import Restrict, everything
from dasf_broker.operations.lists.paging import Page, PageRequest
from dasf_broker.operations.lists.per_topic import (
    Pages,
    WithSource,
    list_messages_of_each,
    list_response_topics,
    list_source_messages,
)
from dasf_broker.schema.execution.long_lists import WaitingLists

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Owner = TypeVar("Owner", bound=Hashable)
Wanted = TypeVar("Wanted", bound=Hashable)

#: Most keys of one read: databases limit the values in a statement.
BATCH = 10_000


def loader(
    load: Callable[[Sequence[Key]], Mapping[Key, Value]], waiting: WaitingLists
) -> DataLoader[Key, Any]:
    """Return a loader that reads in one of the reading threads.

    Parameters
    ----------
    load
        Reads the values of some keys, and leaves out keys without a value. A value that is an
        exception is raised for its key.
    waiting
        The lists that may ask for further keys: they are waited for, so that one read is enough.
    """
    reading = _OneRead(load, waiting)

    async def load_all(keys: list[Key]) -> list[Value | None]:
        found = await reading.of(keys)
        return [found.get(key) for key in keys]

    return DataLoader(load_fn=load_all, max_batch_size=BATCH)


class _OneRead(Generic[Key, Value]):
    """Combines what is loaded until the lists of an execution are complete into one read."""

    def __init__(
        self, load: Callable[[Sequence[Key]], Mapping[Key, Value]], waiting: WaitingLists
    ) -> None:
        self._load = load
        self._waiting = waiting
        self._keys: list[Key] = []
        self._next: asyncio.Task[Mapping[Key, Value]] | None = None

    async def of(self, keys: Sequence[Key]) -> Mapping[Key, Value]:
        if self._next is None or len(self._keys) + len(keys) > BATCH:
            self._keys = []
            self._next = asyncio.ensure_future(self._read(self._keys))
        self._keys += keys
        return await self._next

    async def _read(self, keys: list[Key]) -> Mapping[Key, Value]:
        await self._waiting.done()
        if self._keys is keys:
            self._next = None
        return await database.read(self._load, keys)


@dataclass(frozen=True, slots=True)
class Messages:
    """The arguments of a list of messages of a topic."""

    request: PageRequest
    restrict: Restrict = everything
    outstanding: bool = False


@dataclass(frozen=True, slots=True)
class SourceMessages:
    """The arguments of a list of the requests that a response topic answers."""

    request: PageRequest
    may_consume_source: bool


class PageLoaders:
    """Loaders of the lists of topics, by topic and arguments.

    Lists of several topics with equal arguments are read together.

    Parameters
    ----------
    caller
        The caller of the operation.
    waiting
        The lists of the operation that are not complete yet.
    reading
        Spends the bytes of large messages.
    """

    def __init__(self, caller: Caller, waiting: WaitingLists, reading: ByteBudget) -> None:
        self._caller = caller
        self._waiting = waiting
        self._reading = reading

    @cached_property
    def messages(self) -> DataLoader[tuple[BrokerTopic, Messages], Page[Any]]:
        """Messages of topics that the caller may consume from."""

        def load(topics: Sequence[BrokerTopic], wanted: Messages) -> Pages[BrokerTopic]:
            return list_messages_of_each(
                self._caller,
                topics,
                wanted.request,
                restrict=wanted.restrict,
                outstanding=wanted.outstanding,
                budget=self._reading,
            )

        return _page_loader(load, self._waiting)

    @cached_property
    def response_topics(self) -> DataLoader[tuple[BrokerTopic, PageRequest], Page[Any]]:
        """Response topics that the caller may see."""

        def load(topics: Sequence[BrokerTopic], wanted: PageRequest) -> Pages[BrokerTopic]:
            return list_response_topics(self._caller, topics, wanted)

        return _page_loader(load, self._waiting)

    @cached_property
    def source_messages(self) -> DataLoader[tuple[WithSource, SourceMessages], Page[Any]]:
        """The requests that response topics answer, by response topic and source topic."""

        def load(topics: Sequence[WithSource], wanted: SourceMessages) -> Pages[WithSource]:
            return list_source_messages(
                self._caller,
                topics,
                wanted.request,
                may_consume_source=wanted.may_consume_source,
                budget=self._reading,
            )

        return _page_loader(load, self._waiting)


def _page_loader(
    load: Callable[[Sequence[Owner], Wanted], Pages[Owner]], waiting: WaitingLists
) -> DataLoader[tuple[Owner, Wanted], Page[Any]]:
    def load_all(keys: Sequence[tuple[Owner, Wanted]]) -> Mapping[tuple[Owner, Wanted], Any]:
        alike: dict[Wanted, list[Owner]] = defaultdict(list)
        for owner, wanted in keys:
            alike[wanted].append(owner)
        found: dict[tuple[Owner, Wanted], Page[Any] | BrokerError] = {}
        for wanted, owners in alike.items():
            pages = _or_error(load, owners, wanted)
            # A topic that was deleted meanwhile has an empty page.
            found |= {(each, wanted): pages.get(each, Page.empty()) for each in owners}
        return found

    return loader(load_all, waiting)


def _or_error(
    load: Callable[[Sequence[Owner], Wanted], Pages[Owner]],
    owners: Sequence[Owner],
    wanted: Wanted,
) -> Pages[Owner]:
    try:
        return load(owners, wanted)
    except BrokerError as error:  # only for these arguments: the other lists are not affected
        return dict.fromkeys(owners, error)
