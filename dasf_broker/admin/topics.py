"""Topics in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from guardian.admin import GuardedModelAdmin

from dasf_broker import clock
from dasf_broker.admin.counts import TopicChangeList, with_counts
from dasf_broker.admin.filters import AgeFilter, AvailabilityFilter, ResponseTopicFilter
from dasf_broker.admin.rights import GroupRightsForm, UserRightsForm, form_of
from dasf_broker.exceptions import BrokerError, NotFoundError
from dasf_broker.models import BrokerMessage, BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping_topic
from dasf_broker.operations.storage.removal import purge_messages
from dasf_broker.operations.topics import TopicOptions, create_topic, delete_topic, update_topic
from dasf_broker.operations.upkeep import response_topics

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

#: Icon of Django's admin, and word, by availability.
_STATUS = {True: ("yes", _("online")), False: ("no", _("offline")), None: ("unknown", _("unknown"))}


#: Topics that are named before they are purged.
SHOWN = 100


class TopicAdmin(ModelAdmin):
    """The base class of the lists and pages of all kinds of topics."""

    search_fields = ("slug",)
    ordering = ("slug",)
    show_full_result_count = False
    actions = ("ping", "collect", "purge")
    #: The fields that users may set; the broker sets the others.
    options = ("is_public", "supports_dasf", "store_messages", "retention_age", "retention_count")
    facts = (
        "status",
        "last_ping",
        "last_pong",
        "round_trip_time",
        "stored",
        "pending",
        "last_sequence",
        "expired_sequence",
        "date_created",
        "garbage_collect_on",
        "api_info",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the topics with the numbers that the list shows of each."""
        return with_counts(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[TopicChangeList]:  # noqa: ARG002
        """Return the list that counts consumers and producers."""
        return TopicChangeList

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description=_("availability"))
    def status(self, topic: BrokerTopic) -> str:
        """Show whether a consumer answers."""
        icon, word = _STATUS[topic.availability]
        return format_html(
            '<img src="{}" alt="">&nbsp;{}', static(f"admin/img/icon-{icon}.svg"), word
        )

    @admin.display(description=_("consumers"))
    def consumers(self, topic: Any) -> int:
        """Show how many users may consume."""
        return int(topic.consumer_count)

    @admin.display(description=_("producers"))
    def producers(self, topic: Any) -> int:
        """Show how many users may publish."""
        return int(topic.producer_count)

    @admin.display(description=_("pending"))
    def pending(self, topic: Any) -> int:
        """Show how many messages no consumer acknowledged."""
        return int(topic.pending_count)

    @admin.display(description=_("stored"))
    def stored(self, topic: Any) -> str:
        """Show how many messages are kept, with a link to them."""
        messages_of = reverse("admin:dasf_broker_brokermessage_changelist")
        return format_html(
            '<a href="{}?topic__id__exact={}">{}</a>', messages_of, topic.pk, topic.stored_count
        )

    # --- actions ------------------------------------------------------------------------------

    @admin.action(description=_("Ping"), permissions=["change"])
    def ping(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask the consumers of the topics to answer."""
        user = Caller.of(request.user).user
        for topic in queryset:
            ping_topic(topic, user)
        count = len(queryset)
        self._tell(
            request, ngettext("%d topic was pinged.", "%d topics were pinged.", count), count
        )

    @admin.action(description=_("Collect garbage"), permissions=["delete"])
    def collect(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Remove the response topics that are no longer needed."""
        selected = [topic.pk for topic in queryset]
        topics = BrokerTopic.objects.filter(pk__in=selected)
        count = sum(response_topics.remove_due(clock.now(), topics))
        self._tell(
            request, ngettext("%d topic was removed.", "%d topics were removed.", count), count
        )

    @admin.action(description=_("Purge stored messages"), permissions=["delete"])
    def purge(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Remove all messages of the topics, after the user has confirmed."""
        if "confirmed" not in request.POST:
            return self._ask_before_purge(request, queryset)
        count = purge_messages(queryset)
        self._tell(
            request, ngettext("%d message was removed.", "%d messages were removed.", count), count
        )
        return None

    def _ask_before_purge(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        topics = list(queryset)
        # All topics of the list: named one by one they may be more fields than Django reads.
        select_across = request.POST.get("select_across") == "1"
        context = self.admin_site.each_context(request) | {
            "title": _("Are you sure?"),
            "opts": self.opts,
            "media": self.media,
            "topics": topics[:SHOWN],
            "selected": topics[:1] if select_across else topics,
            "more": max(len(topics) - SHOWN, 0),
            "count": sum(topic.stored_count for topic in topics),
            "select_across": select_across,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "dasf_broker/admin/purge_confirmation.html", context)

    def _tell(self, request: HttpRequest, text: str, count: int) -> None:
        self.message_user(request, text % count, messages.SUCCESS)

    # --- changes ------------------------------------------------------------------------------

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or save a topic; show the error if an operation refuses."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except BrokerError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Create or change the topic."""
        if change and not form.changed_data:
            return
        caller, options = Caller.of(request.user), _options(obj)
        save = update_topic if change else create_topic
        obj.pk = save(caller, obj.slug, options).topic.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete the topic."""
        delete_topic(Caller.of(request.user), obj.slug)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the topics; a response topic may be gone already, with its source."""
        caller = Caller.of(request.user)
        for topic in queryset:
            try:
                delete_topic(caller, topic.slug)
            except NotFoundError:
                continue

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Return what is deleted with the topics: as counts, because messages may be many."""
        selected = [topic.pk for topic in objs]
        answers = BrokerTopic.objects.filter(responsetopic__is_response_for__in=selected)
        gone = {*selected, *answers.values_list("pk", flat=True)}
        counts = {
            str(BrokerTopic._meta.verbose_name_plural): len(gone),
            str(BrokerMessage._meta.verbose_name_plural): BrokerMessage.objects.filter(
                topic__in=gone
            ).count(),
        }
        name = capfirst(self.opts.verbose_name)
        return [f"{name}: {topic}" for topic in objs], counts, set(), []


@admin.register(BrokerTopic)
class BrokerTopicAdmin(TopicAdmin, GuardedModelAdmin):  # type: ignore[misc]
    """All topics. Their object permissions are those of response topics too."""

    list_display = (
        "slug",
        "status",
        "is_public",
        "consumers",
        "producers",
        "pending",
        "stored",
        "answers",
        "date_created",
    )
    list_filter = (ResponseTopicFilter, AvailabilityFilter, "is_public", AgeFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the topics, loaded with whether they are response topics."""
        return super().get_queryset(request).select_related("responsetopic")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002
        """Return the shown fields: for a new topic only those that can be chosen."""
        return ("slug", *self.options, *((*self.facts, "answers") if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002
        """Return the fields that cannot be changed: a topic keeps its name for ever."""
        return ("slug", *self.facts, "answers") if obj else ()

    @admin.display(description=_("response topics"))
    def answers(self, topic: Any) -> int:
        """Show how many response topics the topic has."""
        return int(topic.answer_count)

    def get_obj_perms_manage_user_form(self, request: HttpRequest) -> type[Any]:
        """Return the form for the rights of a user."""
        return form_of(Caller.of(request.user), UserRightsForm)

    def get_obj_perms_manage_group_form(self, request: HttpRequest) -> type[Any]:
        """Return the form for the rights of a group."""
        return form_of(Caller.of(request.user), GroupRightsForm)


def _options(topic: BrokerTopic) -> TopicOptions:
    return TopicOptions(
        is_public=topic.is_public,
        supports_dasf=topic.supports_dasf,
        store_messages=topic.store_messages or "",
        retention_age=topic.retention_age or "",
        retention_count=topic.retention_count or "",
    )
