"""The filters of the admin's lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dasf_broker import clock
from dasf_broker.models import Acknowledgement


class _ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices each name a restriction."""

    #: By value of the query string: the label, and the restriction.
    choices_: ClassVar[Mapping[str, tuple[Any, Callable[[Any], Any]]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        """Return the choices."""
        return [(value, shown) for value, (shown, _restrict) in self.choices_.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Restrict the rows; an unknown value restricts nothing."""
        value = self.value()
        if value is None or value not in self.choices_:
            return queryset
        _shown, restrict = self.choices_[value]
        restricted: QuerySet[Any] = restrict(queryset)
        return restricted


class AvailabilityFilter(_ChoiceFilter):
    """Topics by whether a consumer answers."""

    title = _("availability")
    parameter_name = "availability"
    choices_ = {
        "online": (_("online"), lambda topics: topics.filter_online()),
        "offline": (_("offline"), lambda topics: topics.filter_offline()),
        "unknown": (_("not known"), lambda topics: topics.filter_unknown_availability()),
    }


class ResponseTopicFilter(_ChoiceFilter):
    """Topics by whether they carry the answers to requests."""

    title = _("response topic")
    parameter_name = "response"
    choices_ = {
        "yes": (_("Yes"), lambda topics: topics.filter(responsetopic__isnull=False)),
        "no": (_("No"), lambda topics: topics.filter(responsetopic__isnull=True)),
    }


class AgeFilter(_ChoiceFilter):
    """Rows by how long ago they were created."""

    title = _("age")
    parameter_name = "age"
    choices_ = {
        "day": (_("less than a day"), lambda rows: _since(rows, days=1)),
        "week": (_("less than a week"), lambda rows: _since(rows, days=7)),
        "month": (_("less than 30 days"), lambda rows: _since(rows, days=30)),
        "older": (_("30 days or more"), lambda rows: _before(rows, days=30)),
    }


class DeliveredFilter(_ChoiceFilter):
    """Messages by whether a consumer acknowledged them."""

    title = _("delivered")
    parameter_name = "delivered"
    choices_ = {
        "yes": (_("to at least one consumer"), lambda rows: rows.filter(_is_acknowledged())),
        "no": (_("to nobody yet"), lambda rows: rows.filter(~_is_acknowledged())),
    }


class ResponseFilter(_ChoiceFilter):
    """Messages by whether they answer a request."""

    title = _("response")
    parameter_name = "response"
    choices_ = {
        "yes": (_("Yes"), lambda rows: rows.filter(topic__responsetopic__isnull=False)),
        "no": (_("No"), lambda rows: rows.filter(topic__responsetopic__isnull=True)),
    }


def _since(rows: QuerySet[Any], *, days: int) -> QuerySet[Any]:
    return rows.filter(date_created__gt=clock.now() - timedelta(days=days))


def _before(rows: QuerySet[Any], *, days: int) -> QuerySet[Any]:
    return rows.filter(date_created__lte=clock.now() - timedelta(days=days))


def _is_acknowledged() -> Exists:
    return Exists(Acknowledgement.objects.filter(message=OuterRef("pk")))
