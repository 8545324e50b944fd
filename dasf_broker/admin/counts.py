"""Numbers beside each row of a list, in queries that do not grow with the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.permissions import Right, consumers_by_topic, users_with


def with_counts(topics: QuerySet[Any]) -> QuerySet[Any]:
    """Count beside each topic its messages, those nobody acknowledged, and its response topics."""
    messages = BrokerMessage.objects.filter(topic=OuterRef("pk"))
    answers = ResponseTopic.objects.filter(is_response_for=OuterRef("pk"))
    counted: QuerySet[Any] = topics.annotate(
        stored_count=_count(messages, "topic"),
        pending_count=_count(messages.filter(delivered_to__isnull=True), "topic"),
        answer_count=_count(answers, "is_response_for"),
    )
    return counted


def with_acknowledgements(messages: QuerySet[Any]) -> QuerySet[Any]:
    """Count beside each message who acknowledged it."""
    rows = Acknowledgement.objects.filter(message=OuterRef("pk"))
    counted: QuerySet[Any] = messages.annotate(acknowledgement_count=_count(rows, "message"))
    return counted


class TopicChangeList(ChangeList):
    """A list of topics that counts the people of the page's topics."""

    def get_results(self, request: HttpRequest) -> None:
        """Load the page, with consumers and producers counted."""
        super().get_results(request)
        count_people(self.result_list)  # iterating keeps the rows in the queryset


def count_people(topics: Collection[Any]) -> None:
    """Note on each topic how many may consume and how many may produce. Six queries."""
    own = {topic.pk: topic for topic in topics}
    sources = {topic.source_topic_id for topic in own.values()} - {None, *own}
    everybody = [*own.values(), *(BrokerTopic(pk=source) for source in sources)]
    consumers = consumers_by_topic(everybody)
    producers = _granted_producers(own)
    everywhere = _producers_everywhere()
    for topic in own.values():
        may_produce = everywhere | producers[topic.pk] | consumers.get(topic.source_topic_id, set())
        topic.consumer_count, topic.producer_count = len(consumers[topic.pk]), len(may_produce)


def _producers_everywhere() -> set[Any]:
    # No topic has the key 0: who may produce there may produce everywhere.
    nowhere = BrokerTopic(pk=0, slug="nowhere")
    nowhere._state.fields_cache["responsetopic"] = None
    return set(users_with(nowhere, Right.PRODUCE).values_list("pk", flat=True))


def _granted_producers(topics: Collection[int]) -> dict[int, set[Any]]:
    people = get_user_model()._default_manager.filter(is_active=True, is_superuser=False)
    producers: dict[int, set[Any]] = defaultdict(set)
    for path in ("brokertopicuserpermission", "groups__brokertopicgrouppermission"):
        granted = people.filter(
            **{
                f"{path}__content_object__in": topics,
                f"{path}__permission__codename": Right.PRODUCE,
            }
        )
        for topic_id, user_id in granted.values_list(f"{path}__content_object", "pk"):
            producers[topic_id].add(user_id)
    return producers


def _count(rows: QuerySet[Any], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)
