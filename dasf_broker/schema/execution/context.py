"""The context that the resolvers of one operation share: the caller, and loaders for reads.

Each operation gets its own context, so that no value, least of all a right, is used again in
another operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeAlias

import strawberry
from django.contrib.auth import get_user_model
from strawberry.dataloader import DataLoader

from dasf_broker import app_settings, runtime
from dasf_broker.domain.sizes import ByteBudget
from dasf_broker.exceptions import PayloadTooLargeError, ResultTooLargeError
from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.acknowledgements import (
    MessageKey,
    count_outstanding,
    delivered_to,
)
from dasf_broker.operations.storage.large import is_large
from dasf_broker.permissions import Right, consumers_by_topic, holder_names, rights_table
from dasf_broker.schema.execution.loaders import PageLoaders, loader
from dasf_broker.schema.execution.long_lists import WaitingLists

#: Primary keys of users, as text, by message.
Deliveries: TypeAlias = DataLoader[MessageKey, frozenset[str] | None]


class Context:
    """The context of one GraphQL operation.

    Parameters
    ----------
    caller
        The caller of the operation.
    root_url
        Scheme and host of the server in the caller's request, like ``https://example.org``.
    resume_after
        The cursor after which a subscription to messages resumes, if the protocol has one. It
        takes precedence over the argument, which is still that of the first attempt.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        root_url: str = "http://localhost",
        resume_after: str | None = None,
    ) -> None:
        self.caller = caller
        self.root_url = root_url
        self.resume_after = resume_after

    def forget_reads(self) -> None:
        """Forget what the loaders have read: the next mutation of the operation may change it."""
        for name in _READS:
            self.__dict__.pop(name, None)

    @cached_property
    def waiting_lists(self) -> WaitingLists:
        """The lists that wait for a turn, of all executions with this context."""
        return WaitingLists(runtime.current().turns)

    @cached_property
    def reading(self) -> ByteBudget:
        """The bytes of large values that the operation may read: as many as may be returned."""
        return ByteBudget(app_settings.DASF_MAX_RESULT_SIZE, ResultTooLargeError)

    @cached_property
    def publishing(self) -> ByteBudget:
        """The bytes of messages that the operation may publish."""
        limit = max(app_settings.DASF_MAX_PUBLISH_SIZE, app_settings.DASF_MAX_MESSAGE_SIZE)
        return ByteBudget(limit, _too_much_published)

    @cached_property
    def pages(self) -> PageLoaders:
        """Pages of the lists of topics."""
        return PageLoaders(self.caller, self.waiting_lists, self.reading)

    @cached_property
    def rights(self) -> DataLoader[BrokerTopic, Any]:
        """The rights of the caller on each topic."""

        def load(topics: Sequence[BrokerTopic]) -> Mapping[BrokerTopic, Any]:
            table = rights_table([self.caller.user], topics)
            return {topic: table[self.caller.user.pk, topic.pk] for topic in topics}

        return loader(load, self.waiting_lists)

    @cached_property
    def topics(self) -> DataLoader[int, BrokerTopic | None]:
        """Topics by primary key."""

        def load(ids: Sequence[int]) -> Mapping[int, BrokerTopic]:
            topics: BrokerTopicQuerySet = BrokerTopic.objects.with_response_info()
            return topics.in_bulk(ids)

        return loader(load, self.waiting_lists)

    @cached_property
    def api_infos(self) -> DataLoader[int, Any]:
        """The API descriptions of the backend modules of topics."""
        reading = self.reading

        def load(ids: Sequence[int]) -> Mapping[int, Any]:
            topics = BrokerTopic.objects.filter(pk__in=ids).order_by()
            reading.spend(sum(topics.filter(is_large()).values_list("size", flat=True)))
            described = topics.filter(api_info__isnull=False)
            return dict(described.values_list("pk", "api_info"))

        return loader(load, self.waiting_lists)

    @cached_property
    def users(self) -> DataLoader[str, Any]:
        """Users by primary key as text, which is in the events."""

        def load(ids: Sequence[str]) -> Mapping[str, Any]:
            users = get_user_model()._default_manager.filter(pk__in=ids)
            return {str(user.pk): user for user in users}

        return loader(load, self.waiting_lists)

    @cached_property
    def delivered(self) -> Deliveries:
        """Primary keys of the consumers who acknowledged each stored message."""
        return loader(delivered_to, self.waiting_lists)

    @cached_property
    def acknowledged(self) -> Deliveries:
        """The same for the caller only: there may be many other consumers."""
        return loader(partial(delivered_to, only=self.caller.user.pk), self.waiting_lists)

    @cached_property
    def holders(self) -> DataLoader[tuple[BrokerTopic, Right], set[str] | None]:
        """Names of the users who hold each right on its topic."""
        return loader(holder_names, self.waiting_lists)

    @cached_property
    def consumers(self) -> DataLoader[int, frozenset[str] | None]:
        """Primary keys of the current consumers of each topic."""

        def load(ids: Sequence[int]) -> Mapping[int, frozenset[str]]:
            topics = BrokerTopic.objects.with_response_info().filter(pk__in=ids)
            found = consumers_by_topic(list(topics))
            return {pk: frozenset(map(str, users)) for pk, users in found.items()}

        return loader(load, self.waiting_lists)

    @cached_property
    def outstanding(self) -> DataLoader[int, int | None]:
        """How many messages of each topic the caller has not acknowledged."""
        return loader(partial(count_outstanding, user_id=self.caller.row_key), self.waiting_lists)


#: What a context keeps besides its limits, which are those of the whole operation.
_READS = [
    name
    for name, value in vars(Context).items()
    if isinstance(value, cached_property) and name not in ("waiting_lists", "reading", "publishing")
]


def _too_much_published(size: int, limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"An operation publishes at most {limit} bytes; this one has {size} or more: send its "
        "messages in several requests.",
        size=size,
        limit=limit,
    )


#: The ``info`` of the broker's resolvers.
Info: TypeAlias = strawberry.Info[Context, Any]
