"""Stored messages, and the users who acknowledged them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from dasf_broker import clock, primary
from dasf_broker.domain import fingerprints
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.ports import port
from dasf_broker.domain.sizes import LARGE
from dasf_broker.models.date_times import DateTimeField
from dasf_broker.models.sizes import SizeField
from dasf_broker.models.topics import BrokerTopic


class BrokerMessageQuerySet(models.QuerySet["BrokerMessage"]):
    """Queries of messages."""

    def not_acknowledged_by(self, user_id: Any) -> BrokerMessageQuerySet:
        """Keep messages that the user did not acknowledge."""
        acknowledged = Acknowledgement.objects.filter(message=models.OuterRef("pk"), user=user_id)
        return self.filter(~models.Exists(acknowledged))

    def with_topic(self) -> BrokerMessageQuerySet:
        """Load the topic of each message with its response info, but without ``api_info``.

        The latter may be long, and would be read for each message.
        """
        topics = self.select_related("topic__responsetopic")
        return topics.defer("topic__api_info", "topic__size")

    def of_present_topics(self) -> BrokerMessageQuerySet:
        """Leave out the messages of topics that were deleted."""
        return self.filter(topic__deleted_on__isnull=True)

    def after(self, sequence: int) -> BrokerMessageQuerySet:
        """Keep messages that were published after the one with this sequence."""
        return self.filter(sequence__gt=sequence)

    def of_types(self, types: frozenset[MessageType] | None) -> BrokerMessageQuerySet:
        """Keep messages of these types; all messages if no types are named."""
        return self if types is None else self.filter(message_type__in=types)


class BrokerMessage(models.Model):
    """A stored message. Its ``sequence`` is its place in the topic, without regard to clocks."""

    message_id = models.UUIDField(_("message id"))
    # The indexes of the constraints begin with it.
    topic = models.ForeignKey(
        BrokerTopic, on_delete=models.CASCADE, db_index=False, verbose_name=_("topic")
    )
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
    size = SizeField(_("size"), of="content", help_text=_("Bytes of the content."))
    # The database has a default for server processes that are still to be restarted.
    fingerprint = models.CharField(
        _("fingerprint"),
        max_length=fingerprints.LENGTH,
        default="",
        db_default="",
        editable=False,
        help_text=_("Tells the same message from another one with its id."),
    )
    date_created = DateTimeField(_("published"), default=clock.now)
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
        # Answers are found by their context; messages without one cost no index entry.
        indexes = (
            models.Index(
                fields=("topic", "context", "sequence"),
                condition=models.Q(context__isnull=False),
                name="dasf_broker_by_context",
            ),
            # Their sizes are added up before they are read; small messages cost no index entry.
            models.Index(
                fields=("topic", "sequence", "size"),
                condition=models.Q(size__gt=LARGE),
                name="dasf_broker_large_messages",
            ),
        )

    def __str__(self) -> str:
        return f"{self.message_id} ({self.message_type})"

    def save(self, *args: Any, **options: Any) -> None:
        """Save the message, with its size if its content is saved."""
        size: Any = self._meta.get_field("size")
        super().save(*args, **size.saved_with(options))

    @property
    def cursor(self) -> str:
        """The position right behind this message."""
        return message_cursor(self.topic_id, self.sequence, self.topic.epoch)

    @property
    @primary.reads()
    def delivered_to_all(self) -> bool:
        """Whether every present consumer acknowledged; ``False`` if there is none."""
        consumers = set(self.topic.consumers.values_list("pk", flat=True))
        delivered = set(self.delivered_to.values_list("pk", flat=True))
        return bool(consumers) and consumers <= delivered

    @property
    def is_response(self) -> bool:
        """Whether the message answers a request, which is what response topics carry."""
        return self.topic.is_response_topic

    def send(self) -> None:
        """Deliver the message again to current subscribers."""
        port.broker.deliver_again([self])


class Acknowledgement(models.Model):
    """The acknowledgement of a message by a consumer."""

    # The index of the constraint begins with it.
    message = models.ForeignKey(
        BrokerMessage,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="acknowledgements",
        verbose_name=_("message"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("consumer"),
    )
    date_created = DateTimeField(_("acknowledged"), default=clock.now)

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
