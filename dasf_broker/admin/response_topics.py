"""Response topics in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from dasf_broker.admin.filters import AgeFilter, AvailabilityFilter
from dasf_broker.admin.topics import TopicAdmin
from dasf_broker.models import ResponseTopic
from dasf_broker.permissions import Right


@admin.register(ResponseTopic)
class ResponseTopicAdmin(TopicAdmin):
    """The topics that carry answers; only requests create them.

    Their rights are those of topics (``change_brokertopic``, ...), so the link to guardian's pages
    leads to the topic with the same key.
    """

    list_display = (
        "slug",
        "is_response_for",
        "status",
        "consumers",
        "producers",
        "pending",
        "stored",
        "date_created",
        "garbage_collect_on",
    )
    list_filter = (AvailabilityFilter, "is_public", AgeFilter)
    fields = ("slug", "is_response_for", *TopicAdmin.options, *TopicAdmin.facts, "rights")
    readonly_fields = ("slug", "is_response_for", *TopicAdmin.facts, "rights")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the response topics, each with the topic whose requests it answers."""
        return super().get_queryset(request).select_related("is_response_for")

    @admin.display(description=_("object permissions"))
    def rights(self, topic: ResponseTopic) -> str:
        """Link to the page where users give and take rights."""
        url = reverse("admin:dasf_broker_brokertopic_permissions", args=[topic.pk])
        return format_html('<a href="{}">{}</a>', url, _("Object permissions"))

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse: a response topic belongs to a request."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Tell whether the user may see topics."""
        return _may(request, Right.VIEW) or _may(request, Right.CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Tell whether the user may change topics."""
        return _may(request, Right.CHANGE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Tell whether the user may delete topics."""
        return _may(request, Right.DELETE)


def _may(request: HttpRequest, right: Right) -> bool:
    return request.user.has_perm(f"dasf_broker.{right}")
