"""What the resolvers of one operation share: the caller, and loaders that batch their reads.

Each operation gets a context of its own, so that nothing of it (rights least of all) outlives
the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import strawberry
from django.contrib.auth import get_user_model
from django.db.models import Count
from strawberry.dataloader import DataLoader

from dasf_broker import database
from dasf_broker.models import (
    Acknowledgement,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicQuerySet,
)
from dasf_broker.operations.access import Access
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import consumers_by_topic, rights_table

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: A stored message by topic and sequence; neither is ever used twice.
MessageKey: TypeAlias = tuple[int, int]


class Context:
    """The context of one GraphQL operation.

    Parameters
    ----------
    caller
        Who asks.
    root_url
        Scheme and host under which the caller reached the server, like ``https://example.org``.
    """

    def __init__(self, caller: Caller, *, root_url: str = "http://localhost") -> None:
        self.caller = caller
        self.root_url = root_url

    async def access(self, topic: BrokerTopic) -> Access:
        """Return what the caller may do with a topic that they were given."""
        return Access(self.caller, topic, await self.rights.load(topic))

    @cached_property
    def rights(self) -> DataLoader[BrokerTopic, Any]:
        """What the caller may do with each topic."""

        def load(topics: Sequence[BrokerTopic]) -> Mapping[BrokerTopic, Any]:
            table = rights_table([self.caller.user], topics)
            return {topic: table[self.caller.user.pk, topic.pk] for topic in topics}

        return _loader(load)

    @cached_property
    def topics(self) -> DataLoader[int, BrokerTopic | None]:
        """Topics by primary key."""

        def load(ids: Sequence[int]) -> Mapping[int, BrokerTopic]:
            topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
            return topics.in_bulk(ids)

        return _loader(load)

    @cached_property
    def users(self) -> DataLoader[str, Any]:
        """Users by primary key as text, as events carry it."""

        def load(ids: Sequence[str]) -> Mapping[str, Any]:
            users = get_user_model()._default_manager.filter(pk__in=ids)
            return {str(user.pk): user for user in users}

        return _loader(load)

    @cached_property
    def delivered(self) -> DataLoader[MessageKey, frozenset[str] | None]:
        """Primary keys of who acknowledged each stored message."""

        def load(keys: Sequence[MessageKey]) -> Mapping[MessageKey, frozenset[str]]:
            delivered: dict[MessageKey, set[str]] = {key: set() for key in keys}
            rows = Acknowledgement.objects.filter(
                message__topic__in={topic for topic, _ in keys},
                message__sequence__in={sequence for _, sequence in keys},
            ).values_list("message__topic", "message__sequence", "user")
            for topic, sequence, user in rows:
                if (topic, sequence) in delivered:
                    delivered[topic, sequence].add(str(user))
            return {key: frozenset(users) for key, users in delivered.items()}

        return _loader(load)

    @cached_property
    def consumers(self) -> DataLoader[int, frozenset[str] | None]:
        """Primary keys of the present consumers of each topic."""

        def load(ids: Sequence[int]) -> Mapping[int, frozenset[str]]:
            topics = BrokerTopic.objects.with_response_info().filter(pk__in=ids)
            found = consumers_by_topic(list(topics))
            return {pk: frozenset(map(str, users)) for pk, users in found.items()}

        return _loader(load)

    @cached_property
    def outstanding(self) -> DataLoader[int, int | None]:
        """How many messages of each topic the caller has not acknowledged."""

        def load(ids: Sequence[int]) -> Mapping[int, int]:
            messages = BrokerMessage.objects.filter(topic__in=ids)
            return _counted(messages.not_acknowledged_by(self.caller.user.pk))

        return _loader(load)


#: The ``info`` of the broker's resolvers.
Info: TypeAlias = strawberry.Info[Context, Any]


def _counted(messages: Any) -> Mapping[int, int]:
    rows = messages.order_by().values_list("topic").annotate(Count("pk"))
    return dict(rows)


def _loader(
    load: Callable[[Sequence[Key]], Mapping[Key, Value]],
) -> DataLoader[Key, Any]:
    async def load_all(keys: list[Key]) -> list[Value | None]:
        found = await database.read(load, keys)
        return [found.get(key) for key in keys]

    return DataLoader(load_fn=load_all)
