"""Numbers beside each row of a list, in queries that do not grow with the rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from dasf_broker.models import Acknowledgement, BrokerMessage, ResponseTopic
from dasf_broker.permissions import consumers_by_topic, producers_by_topic


def with_counts(topics: QuerySet[Any]) -> QuerySet[Any]:
    """Count each topic's messages, those without an acknowledgement, and its response topics."""
    messages = BrokerMessage.objects.filter(topic=OuterRef("pk"))
    answers = ResponseTopic.objects.filter(is_response_for=OuterRef("pk"))
    counted: QuerySet[Any] = topics.annotate(
        stored_count=_count(messages, "topic"),
        pending_count=_count(messages.filter(delivered_to__isnull=True), "topic"),
        answer_count=_count(answers, "is_response_for"),
    )
    return counted


def with_acknowledgements(messages: QuerySet[Any]) -> QuerySet[Any]:
    """Count for each message the consumers that acknowledged it."""
    rows = Acknowledgement.objects.filter(message=OuterRef("pk"))
    counted: QuerySet[Any] = messages.annotate(acknowledgement_count=_count(rows, "message"))
    return counted


class TopicChangeList(ChangeList):
    """A list of topics that counts the consumers and producers of the topics on the page."""

    def get_results(self, request: HttpRequest) -> None:
        """Load the page, with consumers and producers counted."""
        super().get_results(request)
        count_holders(self.result_list)  # iterating keeps the rows in the queryset


def count_holders(topics: Collection[Any]) -> None:
    """Set on each topic how many users may consume and how many may produce."""
    consumers, producers = consumers_by_topic(topics), producers_by_topic(topics)
    for topic in topics:
        topic.consumer_count = len(consumers[topic.pk])
        topic.producer_count = len(producers[topic.pk])


def _count(rows: QuerySet[Any], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)
