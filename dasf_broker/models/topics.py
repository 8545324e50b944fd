"""Topics: producers publish to them, consumers read from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_slug
from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from dasf_broker import app_settings, clock
from dasf_broker.domain import availability, storage
from dasf_broker.domain.cursors import Head
from dasf_broker.domain.epochs import next_epoch
from dasf_broker.domain.ports import port
from dasf_broker.domain.publishing import Published
from dasf_broker.domain.retention import MAX_RETENTION
from dasf_broker.domain.sizes import LARGE
from dasf_broker.domain.slugs import MAX_SLUG_LENGTH, STATUS_PING
from dasf_broker.domain.times import present
from dasf_broker.models.date_times import DateTimeField
from dasf_broker.models.sizes import SizeField
from dasf_broker.models.websocket_urls import websocket_url

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from dasf_broker.domain.publishing import Published
    from dasf_broker.models.messages import BrokerMessage


_RETENTION = (MinValueValidator(1), MaxValueValidator(MAX_RETENTION))


class BrokerTopicQuerySet(models.QuerySet["BrokerTopic"]):
    """Queries of topics. The three availability filters partition all topics."""

    def filter_online(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics whose consumers answered the last ping."""
        return self._with_known_availability().filter(
            *args, last_pong__gte=F("last_ping"), last_pong__lte=present(clock.now()), **kwargs
        )

    def filter_offline(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics that were pinged and did not answer."""
        silent = (
            Q(last_pong__isnull=True)
            | Q(last_pong__lt=F("last_ping"))
            | Q(last_pong__gt=present(clock.now()))
        )
        return self._with_known_availability().filter(silent, *args, **kwargs)

    def filter_unknown_availability(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics that were not pinged lately, or cannot answer pings."""
        now = clock.now()
        unknown = (
            Q(supports_dasf=False)
            | Q(last_ping__isnull=True)
            | Q(last_ping__lt=availability.known_since(now))
            | Q(last_ping__gt=present(now))
        )
        return self.filter(unknown, *args, **kwargs)

    def with_response_info(self) -> BrokerTopicQuerySet:
        """Load with each topic whether it is a response topic, and for which topic.

        ``api_info`` is not loaded: it may be long, and few callers need it.
        """
        return self.select_related("responsetopic").defer("api_info", "size")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the topics: see :meth:`BrokerTopic.delete`."""
        if self.query.is_sliced:
            raise TypeError("Cannot use 'limit' or 'offset' with delete().")
        if self._fields is not None:  # type: ignore[attr-defined]
            raise TypeError("Cannot call delete() after .values() or .values_list()")
        self._for_write = True
        return port.broker.delete_topics(self.all(), using=self.db)

    # A manager has no such method: topics are not deleted all at once by mistake.
    delete.queryset_only = True  # type: ignore[attr-defined]

    def pages(self, size: int) -> Iterator[list[BrokerTopic]]:
        """Yield the topics in the order of their keys, some at a time, each once."""
        position = 0
        while page := list(self.filter(pk__gt=position).order_by("pk")[:size]):
            position = page[-1].pk  # before they are deleted: a deleted row has no key
            yield page

    def _with_known_availability(self) -> BrokerTopicQuerySet:
        now = clock.now()
        known = Q(last_ping__gte=availability.known_since(now), last_ping__lte=present(now))
        return self.filter(known, supports_dasf=True)


class BrokerTopicManager(models.Manager.from_queryset(BrokerTopicQuerySet)):  # type: ignore[misc]
    """The manager of topics, without those that were deleted and whose rows are being removed."""

    def get_queryset(self) -> BrokerTopicQuerySet:
        """Return the topics that were not deleted."""
        topics: BrokerTopicQuerySet = super().get_queryset().filter(deleted_on__isnull=True)
        return topics


class BrokerTopic(models.Model):
    """A named channel that producers publish to and consumers read from."""

    class StoreMessageChoices(models.TextChoices):
        """How long the messages of a topic are kept."""

        CACHE = "cache", _("until one consumer acknowledged")
        CACHEALL = "cacheall", _("until all consumers acknowledged")
        DISABLED = "disabled", _("not at all")
        STORE = "store", _("for ever")

    slug = models.SlugField(
        _("slug"),
        max_length=MAX_SLUG_LENGTH,
        unique=True,
        validators=[validate_slug],
        help_text=_("The name of the topic: letters, digits, hyphens and underscores."),
    )
    is_public = models.BooleanField(
        _("public"),
        default=False,
        help_text=_("Everybody may see the topic, publish to it and ping it."),
    )
    supports_dasf = models.BooleanField(
        _("supports DASF"),
        default=True,
        help_text=_("The consumers of the topic answer pings."),
    )
    # Null and not "": the reference API promises that "as the server says" is null.
    store_messages = models.CharField(  # noqa: DJ001
        _("store messages"),
        max_length=16,
        choices=StoreMessageChoices.choices,
        null=True,
        blank=True,
        help_text=_("How long messages are kept. Empty: as the server's settings say."),
    )
    retention_age = models.PositiveIntegerField(
        _("keep messages for"),
        null=True,
        blank=True,
        validators=_RETENTION,
        help_text=_(
            "Seconds after which a message is removed, also if nobody acknowledged it. Empty: no "
            "limit."
        ),
    )
    retention_count = models.PositiveIntegerField(
        _("messages to keep"),
        null=True,
        blank=True,
        validators=_RETENTION,
        help_text=_(
            "Older messages than the newest so many are removed, also if nobody acknowledged "
            "them. Empty: no limit."
        ),
    )
    date_created = DateTimeField(_("created"), auto_now_add=True)
    last_ping = DateTimeField(_("last ping"), null=True, blank=True, editable=False)
    last_pong = DateTimeField(_("last pong"), null=True, blank=True, editable=False)
    round_trip_time = models.FloatField(
        _("round trip time"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Seconds from the last answered ping to its first answer."),
    )
    garbage_collect_on = DateTimeField(
        _("remove on"),
        null=True,
        blank=True,
        help_text=_("When the topic may be removed, because nobody needs it any more."),
    )
    deleted_on = DateTimeField(
        _("deleted on"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Since then nobody finds the topic; its rows are being removed."),
    )
    api_info = models.JSONField(
        _("API description"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("How the backend module behind the topic describes itself."),
    )
    size = SizeField(_("size"), of="api_info", help_text=_("Bytes of the API description."))
    last_sequence = models.PositiveBigIntegerField(
        _("last sequence"),
        default=0,
        editable=False,
        help_text=_("The sequence of the newest message that was ever stored."),
    )
    expired_sequence = models.PositiveBigIntegerField(
        _("expired sequence"),
        default=0,
        editable=False,
        help_text=_(
            "Up to here messages may be missing that nobody acknowledged; cursors before it "
            "cannot be honoured."
        ),
    )
    # The database has a default for server processes that are still to be restarted, and for
    # topics that were there before: their cursors stay as they are.
    epoch = models.PositiveBigIntegerField(
        _("epoch"),
        default=next_epoch,
        db_default=0,
        editable=False,
        help_text=_("A new one begins when the database was restored; it is part of cursors."),
    )

    objects: ClassVar[BrokerTopicManager] = BrokerTopicManager()

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        ordering = ("slug",)
        permissions = (
            ("can_produce", _("Can publish to the topic")),
            ("can_consume", _("Can read and acknowledge the messages of the topic")),
            ("can_view_status", _("Can see whether the topic is online")),
        )
        # Small ones for the few among many. None holds what a publish writes.
        indexes = (
            # Pages of public topics, in the orders of the API.
            models.Index(
                fields=("slug",), condition=Q(is_public=True), name="dasf_broker_public_by_slug"
            ),
            models.Index(
                fields=("id",), condition=Q(is_public=True), name="dasf_broker_public_by_age"
            ),
            # For the rounds of the housekeeping: topics to ping, ...
            models.Index(
                fields=("id",), condition=Q(supports_dasf=True), name="dasf_broker_to_ping"
            ),
            # ... what may be garbage, ...
            models.Index(
                fields=("id",),
                condition=Q(garbage_collect_on__isnull=False),
                name="dasf_broker_garbage",
            ),
            # ... what was deleted, ...
            models.Index(
                fields=("id",),
                condition=Q(deleted_on__isnull=False),
                name="dasf_broker_deleted",
            ),
            # ... whose messages grow too old or too many, ...
            models.Index(
                fields=("id",),
                condition=Q(retention_age__isnull=False) | Q(retention_count__isnull=False),
                name="dasf_broker_to_retire",
            ),
            # ... and where the last acknowledgement may come by itself.
            models.Index(fields=("store_messages", "id"), name="dasf_broker_by_storage"),
            # The sizes of long API descriptions are added up before they are read.
            models.Index(
                fields=("id", "size"),
                condition=Q(size__gt=LARGE),
                name="dasf_broker_large_topics",
            ),
        )

    def __str__(self) -> str:
        return self.slug

    def save(self, *args: Any, **options: Any) -> None:
        """Save the topic, with its size if its API description is saved."""
        size: Any = self._meta.get_field("size")
        super().save(*args, **size.saved_with(options))

    def delete(self, using: Any = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the topic with its messages and its response topics; subscriptions to them end.

        Nobody finds it from then on, and its slug is free. Rows that are many are removed later,
        in steps, by the housekeeping.

        Returns
        -------
        tuple
            How many topics and rows of the host were deleted, in all and by model.
        """
        if keep_parents:  # of a response topic, which becomes a topic like others
            return super().delete(using=using, keep_parents=True)
        return port.broker.delete_topics([self], using=using)

    def refresh_from_db(
        self, using: Any = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """Read the topic again; one that was deleted does not exist."""
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)
        if fields is None and self.deleted_on is not None:
            raise self.DoesNotExist("The topic was deleted.")

    def _do_update(self, base_qs: Any, *args: Any, **options: Any) -> Any:
        # Saving brings no topic back that was deleted meanwhile.
        return super()._do_update(base_qs.filter(deleted_on__isnull=True), *args, **options)

    def clean(self) -> None:
        """Check a new topic's name."""
        super().clean()
        if self._state.adding and self.slug == STATUS_PING:
            raise ValidationError({"slug": _("The DASF protocol uses this name. Choose another.")})

    @property
    def availability(self) -> bool | None:
        """Whether consumers answer: yes, no, or not known."""
        return availability.availability(
            now=clock.now(),
            last_ping=self.last_ping,
            last_pong=self.last_pong,
            supports_dasf=self.supports_dasf,
        )

    @cached_property
    def is_response_topic(self) -> bool:
        """Whether the topic carries answers to the requests of another one."""
        return hasattr(self, "responsetopic")

    @property
    def effective_store_messages(self) -> BrokerTopic.StoreMessageChoices:
        """The storage rule that holds: the topic's own, else the server's."""
        return self.StoreMessageChoices(self.storage_policy.value)

    @property
    def storage_policy(self) -> storage.StoragePolicy:
        """The same as the rule's own type."""
        return storage.effective_policy(
            self.store_messages,
            is_response_topic=self.is_response_topic,
            source_default=app_settings.DASF_STORE_SOURCE_MESSAGES,
            response_default=app_settings.DASF_STORE_RESPONSE_MESSAGES,
        )

    @property
    def head(self) -> Head:
        """The newest sequence, and the epoch in which it was given."""
        return Head(self.last_sequence, self.epoch)

    @property
    def source_topic_id(self) -> int | None:
        """The topic whose requests are answered here, if this is a response topic."""
        return self.responsetopic.is_response_for_id if self.is_response_topic else None

    @property
    def consumers(self) -> models.QuerySet[User]:
        """The users who may consume, superusers not counted."""
        return self._users_with("can_consume")

    @property
    def producers(self) -> models.QuerySet[User]:
        """The users who may publish, superusers not counted."""
        return self._users_with("can_produce")

    @property
    def status_viewers(self) -> models.QuerySet[User]:
        """The users who were given the right to see the status, superusers not counted."""
        return self._users_with("can_view_status")

    def _users_with(self, codename: str) -> models.QuerySet[User]:
        from dasf_broker.models.rights import users_with

        return users_with(self, codename)

    def get_outstanding_messages(self, user: User | None = None) -> models.QuerySet[BrokerMessage]:
        """Return the messages that were not acknowledged, oldest first.

        Parameters
        ----------
        user
            Messages that this user did not acknowledge; without one, those that no user did.
        """
        messages = self.brokermessage_set.order_by("sequence")
        if user is None:
            return messages.filter(delivered_to__isnull=True)
        return messages.not_acknowledged_by(user.pk)

    def create_and_send_message(self, user: User, content: dict[str, Any]) -> Published:
        """Publish an envelope in its wire form, as the user."""
        return port.broker.publish_content(user, self.slug, content)

    def ping(self) -> None:
        """Ask the consumers to answer."""
        port.broker.ping_topic(self)

    @classmethod
    def build_websocket_url(cls, request: HttpRequest, route: str | None = None) -> str:
        """Return the absolute websocket URL of a DASF route.

        Parameters
        ----------
        request
            Where scheme and host come from, unless ``ROOT_URL`` says.
        route
            What follows ``DASF_WEBSOCKET_URL_ROUTE``: a topic's slug, or nothing.
        """
        script_name = request.META.get("SCRIPT_NAME", "").strip("/")
        return websocket_url(request.build_absolute_uri(f"/{script_name}"), route)

    def get_websocket_url(self, request: HttpRequest) -> str:
        """Return the absolute URL of the topic's DASF websocket."""
        return self.build_websocket_url(request, self.slug)
