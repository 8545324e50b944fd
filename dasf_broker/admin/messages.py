"""Stored messages in the admin: read only. Only publishing creates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dasf_broker.admin import payloads
from dasf_broker.admin.counts import with_acknowledgements
from dasf_broker.admin.filters import AgeFilter, DeliveredFilter, ResponseFilter
from dasf_broker.models import BrokerMessage, BrokerMessageQuerySet, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping_topic
from dasf_broker.operations.publish import deliver_again

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[BrokerMessage]
else:
    ModelAdmin = admin.ModelAdmin

#: Messages loaded at a time to be delivered again, so that many large ones do not fill the memory.
STEP = 100

#: Names of consumers shown for one message.
NAMES = 100


@admin.register(BrokerMessage)
class BrokerMessageAdmin(ModelAdmin):
    """Messages; nobody edits them. With ``change_brokermessage`` users may send them again."""

    list_display = (
        "message_id",
        "topic_link",
        "message_type",
        "user",
        "date_created",
        "acknowledged",
        "is_response",
    )
    list_filter = (DeliveredFilter, ResponseFilter, "message_type", AgeFilter)
    # By key: it grows with time, and has an index.
    ordering = ("-pk",)
    show_full_result_count = False
    actions = ("deliver", "ping")
    fields = (
        "message_id",
        "topic_link",
        "message_type",
        "user",
        "date_created",
        "sequence",
        "context",
        "properties",
        "payload",
        "consumers",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[BrokerMessage]:
        """Return the messages without their content, which a list does not show."""
        rows: BrokerMessageQuerySet = super().get_queryset(request)  # type: ignore[assignment]
        rows = rows.of_present_topics().with_topic().select_related("user")
        return with_acknowledgements(rows).defer("content")

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002
        """Return the searched fields; the user model decides how the name of a user is called."""
        return ("message_id", "topic__slug", f"user__{get_user_model().USERNAME_FIELD}")

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description=_("topic"))
    def topic_link(self, message: BrokerMessage) -> str:
        """Show the topic with a link to it."""
        url = reverse("admin:dasf_broker_brokertopic_change", args=[message.topic_id])
        return format_html('<a href="{}">{}</a>', url, message.topic.slug)

    @admin.display(description=_("acknowledged by"))
    def acknowledged(self, message: Any) -> int:
        """Show how many consumers acknowledged the message."""
        return int(message.acknowledgement_count)

    @admin.display(description=_("response"), boolean=True)
    def is_response(self, message: BrokerMessage) -> bool:
        """Show whether the message answers a request."""
        return message.is_response

    @admin.display(description=_("acknowledged by"))
    def consumers(self, message: Any) -> str:
        """Show the consumers that acknowledged, the first ones by name."""
        rows = message.acknowledgements.select_related("user").order_by("pk")[:NAMES]
        names = ", ".join(row.user.get_username() for row in rows)
        more = message.acknowledgement_count - NAMES
        return f"{names}, +{more}" if more > 0 else names or "-"

    @admin.display(description=_("properties"))
    def properties(self, message: BrokerMessage) -> str:
        """Show the properties as JSON."""
        properties = message.content.get("properties", {})
        text, _is_cut = payloads.cut(payloads.pretty(properties) or str(properties))
        return format_html("<pre>{}</pre>", text)

    @admin.display(description=_("payload"))
    def payload(self, message: BrokerMessage) -> str:
        """Show the decoded payload, with a link to download all of it."""
        text, is_cut = payloads.shown(message.content.get("payload", ""))
        url = reverse("admin:dasf_broker_brokermessage_payload", args=[message.pk])
        note = _("Only the beginning is shown.") if is_cut else ""
        return format_html(
            '<pre>{}</pre><p>{} <a href="{}">{}</a></p>', text, note, url, _("Download")
        )

    # --- download -----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the download."""
        view = self.admin_site.admin_view(self.download)
        name = "dasf_broker_brokermessage_payload"
        return [path("<int:pk>/payload/", view, name=name), *super().get_urls()]

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the whole payload as a file that no browser opens as a page of this site."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        message = get_object_or_404(BrokerMessage.objects.of_present_topics(), pk=pk)
        body, ending = payloads.download(message.content.get("payload", ""))
        return HttpResponse(
            body,
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="{message.message_id}.{ending}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    # --- actions ------------------------------------------------------------------------------

    @admin.action(description=_("Deliver again"), permissions=["send"])
    def deliver(self, request: HttpRequest, queryset: QuerySet[BrokerMessage]) -> None:
        """Send the messages again to current subscribers, oldest first."""
        keys = list(queryset.order_by("pk").values_list("pk", flat=True))
        rows = BrokerMessage.objects.of_present_topics().with_topic().order_by("pk")
        for start in range(0, len(keys), STEP):
            deliver_again(rows.filter(pk__in=keys[start : start + STEP]))
        text = ngettext("%d message was sent again.", "%d messages were sent again.", len(keys))
        self.message_user(request, text % len(keys), messages.SUCCESS)

    @admin.action(description=_("Ping topic"), permissions=["ping"])
    def ping(self, request: HttpRequest, queryset: QuerySet[BrokerMessage]) -> None:
        """Ask the consumers of the messages' topics to answer, each topic once."""
        keys = set(queryset.order_by().values_list("topic", flat=True))
        user = Caller.of(request.user).user
        for topic in BrokerTopic.objects.filter(pk__in=keys).with_response_info():
            ping_topic(topic, user)
        text = ngettext("%d topic was pinged.", "%d topics were pinged.", len(keys))
        self.message_user(request, text % len(keys), messages.SUCCESS)

    # --- permissions --------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse: messages are published."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Refuse: what was published stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Refuse: messages are removed by the storage rule, or by purging their topic."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Tell whether the user may look at messages."""
        return request.user.has_perm("dasf_broker.view_brokermessage")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may send stored messages again."""
        return request.user.has_perm("dasf_broker.change_brokermessage")

    def has_ping_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may ping any topic: as in the list of topics."""
        return request.user.has_perm("dasf_broker.change_brokertopic")
