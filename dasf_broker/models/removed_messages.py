"""The ids of messages that were removed, so that a repeated publish finds them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from dasf_broker.domain import fingerprints
from dasf_broker.models.date_times import DateTimeField
from dasf_broker.models.topics import BrokerTopic


class RememberedMessage(models.Model):
    """The id of a message that was stored and removed. A producer may publish it again.

    There are none for messages of topics that store nothing, and none for deleted topics.
    """

    # The index of the constraint begins with it.
    topic = models.ForeignKey(
        BrokerTopic, on_delete=models.CASCADE, db_index=False, verbose_name=_("topic")
    )
    message_id = models.UUIDField(_("message id"))
    sequence = models.PositiveBigIntegerField(_("sequence"))
    fingerprint = models.CharField(_("fingerprint"), max_length=fingerprints.LENGTH)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("producer"),
    )
    date_created = DateTimeField(_("published"))
    forget_on = DateTimeField(_("forget on"), db_index=True)

    class Meta:
        verbose_name = _("remembered message")
        verbose_name_plural = _("remembered messages")
        constraints = (
            models.UniqueConstraint(
                fields=("topic", "message_id"), name="dasf_broker_one_memory_per_message_id"
            ),
        )

    def __str__(self) -> str:
        return str(self.message_id)
