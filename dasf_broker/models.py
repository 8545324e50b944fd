"""The tables: topics, messages, who may use them, and tokens. Rows never send anything.

What a model offers beyond its columns are names that the reference API promises; each of
those calls the module that holds the rule.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.validators import validate_slug
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from dasf_broker import app_settings
from dasf_broker.domain import availability, storage
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.slugs import MAX_SLUG_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser
    from django.http import HttpRequest

    from dasf_broker.operations.publish import Published

__all__ = [
    "Acknowledgement",
    "ApiToken",
    "BrokerMessage",
    "BrokerTopic",
    "BrokerTopicGroupPermission",
    "BrokerTopicManager",
    "BrokerTopicQuerySet",
    "BrokerTopicUserPermission",
    "ResponseTopic",
]


class BrokerTopicQuerySet(models.QuerySet["BrokerTopic"]):
    """Questions about topics. The three availability filters partition all topics."""

    def filter_online(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics whose consumers answered the last ping."""
        return self._with_known_availability().filter(
            *args, last_pong__gte=F("last_ping"), **kwargs
        )

    def filter_offline(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics that were pinged and did not answer."""
        silent = Q(last_pong__isnull=True) | Q(last_pong__lt=F("last_ping"))
        return self._with_known_availability().filter(silent, *args, **kwargs)

    def filter_unknown_availability(self, *args: Any, **kwargs: Any) -> BrokerTopicQuerySet:
        """Keep the topics that were not pinged lately, or cannot answer pings."""
        unknown = (
            Q(supports_dasf=False)
            | Q(last_ping__isnull=True)
            | Q(last_ping__lt=availability.known_since(timezone.now()))
        )
        return self.filter(unknown, *args, **kwargs)

    def with_response_info(self) -> BrokerTopicQuerySet:
        """Load beside each topic whether it is a response topic, and for which one."""
        return self.select_related("responsetopic")

    def _with_known_availability(self) -> BrokerTopicQuerySet:
        known_since = availability.known_since(timezone.now())
        return self.filter(supports_dasf=True, last_ping__gte=known_since)


class BrokerTopicManager(models.Manager.from_queryset(BrokerTopicQuerySet)):  # type: ignore[misc]
    """The manager of topics."""


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
        default=False,
        help_text=_("The consumers of the topic answer pings."),
    )
    store_messages = models.CharField(
        _("store messages"),
        max_length=16,
        choices=StoreMessageChoices.choices,
        null=True,
        blank=True,
        help_text=_("How long messages are kept. Empty: as the server's settings say."),
    )
    date_created = models.DateTimeField(_("created"), auto_now_add=True)
    last_ping = models.DateTimeField(_("last ping"), null=True, blank=True, editable=False)
    last_pong = models.DateTimeField(_("last pong"), null=True, blank=True, editable=False)
    round_trip_time = models.FloatField(
        _("round trip time"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Seconds from the last answered ping to its first answer."),
    )
    garbage_collect_on = models.DateTimeField(
        _("remove on"),
        null=True,
        blank=True,
        help_text=_("When the topic may be removed, because nobody needs it any more."),
    )
    api_info = models.JSONField(
        _("API description"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("How the backend module behind the topic describes itself."),
    )
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

    def __str__(self) -> str:
        return self.slug

    @property
    def availability(self) -> bool | None:
        """Whether consumers answer: yes, no, or not known."""
        return availability.availability(
            now=timezone.now(),
            last_ping=self.last_ping,
            last_pong=self.last_pong,
            supports_dasf=self.supports_dasf,
        )

    @property
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
    def source_topic_id(self) -> int | None:
        """The topic whose requests are answered here, if this is a response topic."""
        return self.responsetopic.is_response_for_id if self.is_response_topic else None

    @property
    def consumers(self) -> models.QuerySet[AbstractUser]:
        """The users who may consume, superusers not counted."""
        from dasf_broker.permissions import Right, users_with

        return users_with(self, Right.CONSUME)

    @property
    def producers(self) -> models.QuerySet[AbstractUser]:
        """The users who may publish, superusers not counted."""
        from dasf_broker.permissions import Right, users_with

        return users_with(self, Right.PRODUCE)

    @property
    def status_viewers(self) -> models.QuerySet[AbstractUser]:
        """The users who were given the right to see the status, superusers not counted."""
        from dasf_broker.permissions import Right, users_with

        return users_with(self, Right.VIEW_STATUS)

    def get_outstanding_messages(
        self, user: AbstractUser | None = None
    ) -> models.QuerySet[BrokerMessage]:
        """Return the messages that were not acknowledged, oldest first.

        Parameters
        ----------
        user
            Messages that this user did not acknowledge; without one, those that nobody did.
        """
        messages = self.brokermessage_set.order_by("sequence")
        if user is None:
            return messages.filter(delivered_to__isnull=True)
        return messages.not_acknowledged_by(user.pk)

    def create_and_send_message(self, user: AbstractUser, content: dict[str, Any]) -> Published:
        """Publish an envelope in its wire form, as the user."""
        from dasf_broker.operations.publish import publish_content

        return publish_content(user, self.slug, content)

    def ping(self) -> None:
        """Ask the consumers to answer."""
        from dasf_broker.operations.heartbeat import ping_topic

        ping_topic(self)

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
        return websocket_url(request.build_absolute_uri("/"), route)

    def get_websocket_url(self, request: HttpRequest) -> str:
        """Return the absolute URL of the topic's DASF websocket."""
        return self.build_websocket_url(request, self.slug)


class BrokerTopicUserPermission(UserObjectPermissionBase):
    """A right of a user on a topic.

    A table of our own instead of guardian's generic one: real foreign keys, so that rights go
    with their topic and a batch of rights is one indexed query.
    """

    content_object = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = _("right of a user")
        verbose_name_plural = _("rights of users")


class BrokerTopicGroupPermission(GroupObjectPermissionBase):
    """A right of a group on a topic."""

    content_object = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = _("right of a group")
        verbose_name_plural = _("rights of groups")


class BrokerMessageQuerySet(models.QuerySet["BrokerMessage"]):
    """Questions about messages."""

    def not_acknowledged_by(self, user_id: Any) -> BrokerMessageQuerySet:
        """Keep what the user still has to acknowledge."""
        acknowledged = Acknowledgement.objects.filter(message=models.OuterRef("pk"), user=user_id)
        return self.filter(~models.Exists(acknowledged))

    def after(self, sequence: int) -> BrokerMessageQuerySet:
        """Keep what was published later than the message with this sequence."""
        return self.filter(sequence__gt=sequence)

    def of_types(self, types: frozenset[MessageType] | None) -> BrokerMessageQuerySet:
        """Keep messages of these types; all where none are named."""
        return self if types is None else self.filter(message_type__in=types)


class BrokerMessage(models.Model):
    """A stored message. Its ``sequence`` is its place in the topic, without regard to clocks."""

    message_id = models.UUIDField(_("message id"))
    topic = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE, verbose_name=_("topic"))
    sequence = models.PositiveBigIntegerField(_("sequence"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("producer"),
    )
    message_type = models.CharField(
        _("type"), max_length=16, choices=[(each.value, each.value) for each in MessageType]
    )
    context = models.BigIntegerField(_("context"), null=True, blank=True)
    content = models.JSONField(_("content"))
    date_created = models.DateTimeField(_("published"), default=timezone.now)
    delivered_to = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="Acknowledgement",
        related_name="+",
        blank=True,
        verbose_name=_("acknowledged by"),
    )

    objects = BrokerMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("topic", "sequence")
        constraints = (
            models.UniqueConstraint(
                fields=("topic", "message_id"), name="dasf_broker_one_message_id_per_topic"
            ),
            models.UniqueConstraint(
                fields=("topic", "sequence"), name="dasf_broker_one_sequence_per_topic"
            ),
        )

    def __str__(self) -> str:
        return f"{self.message_id} ({self.message_type})"

    @property
    def cursor(self) -> str:
        """The position right behind this message."""
        return message_cursor(self.topic_id, self.sequence)

    @property
    def delivered_to_all(self) -> bool:
        """Whether every present consumer acknowledged; ``False`` where there is none."""
        consumers = set(self.topic.consumers.values_list("pk", flat=True))
        delivered = set(self.delivered_to.values_list("pk", flat=True))
        return bool(consumers) and consumers <= delivered

    @property
    def is_response(self) -> bool:
        """Whether the message answers a request, which is what response topics carry."""
        return self.topic.is_response_topic

    def send(self) -> None:
        """Deliver the message again to who is listening now."""
        from dasf_broker.operations.publish import deliver_again

        deliver_again([self])


class Acknowledgement(models.Model):
    """A consumer has dealt with a message."""

    message = models.ForeignKey(
        BrokerMessage,
        on_delete=models.CASCADE,
        related_name="acknowledgements",
        verbose_name=_("message"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("consumer"),
    )
    date_created = models.DateTimeField(_("acknowledged"), default=timezone.now)

    class Meta:
        verbose_name = _("acknowledgement")
        verbose_name_plural = _("acknowledgements")
        constraints = (
            models.UniqueConstraint(
                fields=("message", "user"), name="dasf_broker_one_acknowledgement_per_user"
            ),
        )

    def __str__(self) -> str:
        return f"{self.message} by {self.user}"


class ResponseTopic(BrokerTopic):
    """A topic for the answers to requests: the requester consumes, the module produces.

    The consumers of ``is_response_for`` may produce here. That right is derived, never written.
    """

    is_response_for = models.ForeignKey(
        BrokerTopic,
        on_delete=models.CASCADE,
        related_name="responsetopics",
        verbose_name=_("response for"),
    )
    source_messages = models.ManyToManyField(BrokerMessage, blank=True, verbose_name=_("requests"))

    objects: ClassVar[BrokerTopicManager] = BrokerTopicManager()

    class Meta:
        verbose_name = _("response topic")
        verbose_name_plural = _("response topics")

    @property
    def is_response_topic(self) -> bool:
        """Always: this is one."""
        return True

    @cached_property
    def responsetopic(self) -> ResponseTopic:
        """Itself, so that a topic may be asked without knowing which of the two it is."""
        return self


class ApiToken(models.Model):
    """A key that lets a script or a browser app call the broker as a user.

    Only a digest of the key is kept. ``prefix`` is the public part by which people tell their
    keys apart.
    """

    #: ``last_used`` is not written more often than this.
    LAST_USED_STEP = timedelta(minutes=1)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="dasf_tokens",
        verbose_name=_("user"),
    )
    label = models.CharField(_("label"), max_length=128, blank=True)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(_("digest"), max_length=64, editable=False)
    date_created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-date_created",)

    def __str__(self) -> str:
        return f"{self.prefix}... ({self.label})" if self.label else f"{self.prefix}..."

    def is_usable(self, now: datetime) -> bool:
        """Tell whether the token still lets somebody in."""
        return self.revoked is None and (self.expires is None or self.expires > now)


def websocket_url(root: str, route: str | None = None) -> str:
    """Return the absolute websocket URL of a DASF route.

    Parameters
    ----------
    root
        Scheme and host of the server, used unless ``ROOT_URL`` says otherwise.
    route
        What follows ``DASF_WEBSOCKET_URL_ROUTE``: a topic's slug, or nothing.
    """
    root = (app_settings.ROOT_URL or root).rstrip("/")
    path = app_settings.DASF_WEBSOCKET_URL_ROUTE.strip("/")
    return f"ws{root.removeprefix('http')}/{path}/{route or ''}"
