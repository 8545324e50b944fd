"""Filters of lists, applied to querysets by strawberry-django.

There are only lookups that use an index or a short list: no regular expressions, no nesting.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any

import strawberry
import strawberry_django
from django.db.models import Exists, OuterRef, Q

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.domain.texts import check_text
from dasf_broker.domain.times import to_filter_by
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import Acknowledgement, BrokerTopic
from dasf_broker.operations.lists.browse import Restrict, everything
from dasf_broker.schema.enums import AvailabilityStatus
from dasf_broker.schema.execution.context import Info

#: Most values in a list of a filter.
MAX_VALUES = 100


@strawberry.input(description="Which topics to list. A topic must match every field that you give.")
class TopicFilter:
    @strawberry_django.filter_field(description="The slug is one of these.")
    def slug_in(self, value: list[str], prefix: str) -> Q:
        slugs = [check_slug(each, field="slugIn") for each in _bounded(value, "slugIn")]
        return Q(**{f"{prefix}slug__in": slugs})

    @strawberry_django.filter_field(
        description="The slug contains this text; upper and lower case are equal."
    )
    def search(self, value: str, prefix: str) -> Q:
        return Q(**{f"{prefix}slug__icontains": check_text(value[:128], field="search")})

    @strawberry_django.filter_field(description="The topic is, or is not, public.")
    def is_public(self, value: bool, prefix: str) -> Q:
        return Q(**{f"{prefix}is_public": value})

    @strawberry_django.filter_field(description="The topic supports pings, or does not.")
    def supports_dasf(self, value: bool, prefix: str) -> Q:
        return Q(**{f"{prefix}supports_dasf": value})

    @strawberry_django.filter_field(description="The topic itself sets this storage policy.")
    def store_messages(self, value: StoragePolicy, prefix: str) -> Q:
        return Q(**{f"{prefix}store_messages": value.value})

    @strawberry_django.filter_field(description="The topic is, or is not, a response topic.")
    def is_response_topic(self, value: bool, prefix: str) -> Q:
        return Q(**{f"{prefix}responsetopic__isnull": not value})

    @strawberry_django.filter_field(description="The topic has this availability.")
    def availability(self, value: AvailabilityStatus, prefix: str) -> Q:  # noqa: ARG002
        """Restrict by availability, with the querysets that define it."""
        topics = {
            AvailabilityStatus.ONLINE: BrokerTopic.objects.filter_online,
            AvailabilityStatus.OFFLINE: BrokerTopic.objects.filter_offline,
            AvailabilityStatus.UNKNOWN: BrokerTopic.objects.filter_unknown_availability,
        }[value]()
        return Q(pk__in=topics.values("pk"))


@strawberry.input(
    description="Which messages to list. A message must match every field that you give."
)
class MessageFilter:
    @strawberry_django.filter_field(description="The message is of one of these types.")
    def message_type_in(self, value: list[MessageType], prefix: str) -> Q:
        types = [each.value for each in _bounded(value, "messageTypeIn")]
        return Q(**{f"{prefix}message_type__in": types})

    @strawberry_django.filter_field(description="The message was published at this time or later.")
    def published_since(self, value: datetime, prefix: str) -> Q:
        return Q(**{f"{prefix}date_created__gte": to_filter_by(value)})

    @strawberry_django.filter_field(description="The message was published before this time.")
    def published_before(self, value: datetime, prefix: str) -> Q:
        return Q(**{f"{prefix}date_created__lt": to_filter_by(value)})

    @strawberry_django.filter_field(description="The message has this context.")
    def context(self, value: int, prefix: str) -> Q:
        return Q(**{f"{prefix}context": value})

    @strawberry_django.filter_field(
        description="At least one consumer has acknowledged the message, or none has."
    )
    def acknowledged(self, value: bool, prefix: str) -> Q:
        is_acknowledged = Q(Exists(Acknowledgement.objects.filter(message=OuterRef(f"{prefix}pk"))))
        return is_acknowledged if value else ~is_acknowledged


def restriction(filters: Any, info: Info) -> Restrict:
    """Return the function that applies a filter input to a queryset."""
    if filters is None or filters is strawberry.UNSET:
        return everything
    return _Restriction(_frozen(filters), filters, info)


@dataclass(frozen=True, slots=True)
class _Restriction:
    """Applies a filter input. Two with the same values are equal, and are read together."""

    values: Hashable
    filters: Any = field(compare=False)
    info: Info = field(compare=False)

    def __call__(self, rows: Any) -> Any:
        rows, condition = strawberry_django.process_filters(self.filters, rows, self.info)
        return rows.filter(condition)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if is_dataclass(value):
        return tuple(_frozen(getattr(value, each.name)) for each in fields(value))
    return value  # type: ignore[no-any-return]


def _bounded(values: list[Any], name: str) -> list[Any]:
    if len(values) > MAX_VALUES:
        raise BadInputError(
            f"{name} takes up to {MAX_VALUES} values, not {len(values)}.", field=name
        )
    return values
