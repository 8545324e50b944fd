"""Topics for the answers to requests."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from dasf_broker.models.messages import BrokerMessage
from dasf_broker.models.topics import BrokerTopic, BrokerTopicManager


class ResponseTopic(BrokerTopic):
    """A topic for the answers to requests: the requester consumes, the module produces.

    The consumers of ``is_response_for`` may produce here. That right is derived, and has no row.
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

    @cached_property
    def is_response_topic(self) -> bool:
        """Return that this is one, always."""
        return True

    @property
    def source_topic_id(self) -> int:
        """The topic whose requests are answered here."""
        return self.is_response_for_id
