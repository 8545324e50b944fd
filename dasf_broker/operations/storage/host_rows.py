"""The rows of a host that refer to topics, and what a host is told when topics are deleted.

A host may add tables with foreign keys to topics and messages, and receivers for Django's signals.
A topic is not deleted by Django itself, so what Django does for them is done here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import PROTECT, RESTRICT, ProtectedError, RestrictedError
from django.db.models.deletion import Collector
from django.db.models.signals import ModelSignal, post_delete, pre_delete

from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic


def check_unprotected(topic_ids: Sequence[int], using: str) -> None:
    """Check that no row of the host protects messages of the topics.

    The messages are removed later, when there is no caller to be told.

    Raises
    ------
    ProtectedError
        There are such rows.
    """
    for model, path in ((BrokerMessage, "topic"), (Acknowledgement, "message__topic")):
        for relation in _relations(model):
            if relation.on_delete in (PROTECT, RESTRICT):
                rows = _referring(relation, using).filter(
                    **{f"{relation.field.name}__{path}__in": topic_ids}
                )
                if found := {*rows[:1]}:
                    raise ProtectedError(
                        f"Cannot delete the topic: its messages are protected by "
                        f"{relation.related_model._meta.label}.{relation.field.name}.",
                        found,
                    )


def delete_host_rows(topic_ids: Sequence[int], using: str) -> Counter[str]:
    """Delete or change the rows of the host that refer to topics, as their foreign keys say.

    Returns
    -------
    Counter
        How many rows were deleted, by the label of their model.

    Raises
    ------
    ProtectedError, RestrictedError
        A row forbids it.
    """
    collector = Collector(using=using)
    found = False
    # The second does not list the models that extend the first.
    for relation in {*_relations(BrokerTopic), *_relations(ResponseTopic)}:
        rows = _referring(relation, using).filter(**{f"{relation.field.name}__in": topic_ids})
        if rows.exists():
            _collect(collector, relation, rows, using)
            found = True
    _check_unrestricted(collector)
    return Counter(collector.delete()[1]) if found else Counter()


def told_of(topic_ids: Sequence[int], using: str) -> list[Any]:
    """Return the topics as receivers of Django's signals expect them; none without receivers."""
    return [
        topic
        for model in (ResponseTopic, BrokerTopic)
        if pre_delete.has_listeners(model) or post_delete.has_listeners(model)
        for topic in model._base_manager.using(using).filter(pk__in=topic_ids)
    ]


def send(signal: ModelSignal, topics: Sequence[Any], using: str) -> None:
    """Send one of Django's signals for each topic."""
    for topic in topics:
        signal.send(type(topic), instance=topic, using=using, origin=topic)


def _collect(collector: Collector, relation: Any, rows: Any, using: str) -> None:
    if relation.parent_link:  # a model of the host that extends topics
        collector.collect(rows, keep_parents=True)
    else:
        relation.on_delete(collector, relation.field, rows, using)


def _check_unrestricted(collector: Collector) -> None:
    """Check that all rows that restrict the deletion are deleted themselves, as Django does."""
    by_field = [each for some in collector.restricted_objects.values() for each in some.values()]
    deleted = {row for rows in collector.data.values() for row in rows}
    if left := set().union(*by_field) - deleted:
        raise RestrictedError("Cannot delete the topic: rows of this project refer to it.", left)


def _relations(model: Any) -> Iterator[Any]:
    """Yield the foreign keys of other apps to a model."""
    for field in model._meta.get_fields(include_hidden=True):
        refers = (
            field.auto_created and not field.concrete and (field.one_to_one or field.one_to_many)
        )
        if refers and field.related_model._meta.app_label != BrokerTopic._meta.app_label:
            yield field


def _referring(relation: Any, using: str) -> Any:
    return relation.related_model._base_manager.using(using)
