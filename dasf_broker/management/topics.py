"""How the commands show a topic and the rights on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model

from dasf_broker.management.terminal import table
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right

AVAILABILITY = {True: "online", False: "offline", None: "unknown"}

#: The options that name who holds a right.
RIGHTS = {
    "consumer": Right.CONSUME,
    "producer": Right.PRODUCE,
    "view_status": Right.VIEW_STATUS,
}

#: The words for a value that is not set.
NOTHING = {
    "storeMessages": "as the server's settings say",
    "retentionAge": "no limit",
    "retentionCount": "no limit",
}


class Holder(NamedTuple):
    """The holder of a right, as an argument of the operations: either a user or a group."""

    username: str | None
    group: str | None

    def __str__(self) -> str:
        return f"group:{self.group}" if self.username is None else self.username


def held(topic: BrokerTopic) -> set[tuple[Right, Holder]]:
    """Return the holders of rights on this topic, of those rights that the options name."""
    rights = {"permission__codename__in": RIGHTS.values()}
    name = f"user__{get_user_model().USERNAME_FIELD}"
    own = topic.brokertopicuserpermission_set.filter(**rights)
    groups = topic.brokertopicgrouppermission_set.filter(**rights)
    people = {
        (Right(codename), Holder(username, None))
        for codename, username in own.values_list("permission__codename", name)
    }
    return people | {
        (Right(codename), Holder(None, group))
        for codename, group in groups.values_list("permission__codename", "group__name")
    }


def facts(topic: BrokerTopic) -> dict[str, Any]:
    """Return the properties of a topic as JSON values."""
    holders = sorted(held(topic), key=str)
    return {
        "slug": topic.slug,
        "isPublic": topic.is_public,
        "supportsDasf": topic.supports_dasf,
        "storeMessages": topic.store_messages,
        "effectiveStoreMessages": topic.effective_store_messages.value,
        "retentionAge": topic.retention_age,
        "retentionCount": topic.retention_count,
        "isResponseTopic": topic.is_response_topic,
        "availability": AVAILABILITY[topic.availability],
        "storedMessages": topic.brokermessage_set.count(),
        "outstandingMessages": topic.get_outstanding_messages().count(),
        "consumers": [str(holder) for right, holder in holders if right is Right.CONSUME],
        "producers": [str(holder) for right, holder in holders if right is Right.PRODUCE],
        "statusViewers": [str(holder) for right, holder in holders if right is Right.VIEW_STATUS],
    }


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """Yield the same properties as the lines of a table."""

    def shown(name: str, value: Any) -> str:
        match value:
            case bool():
                return "yes" if value else "no"
            case list():
                return ", ".join(value) or "-"
            case None:
                return NOTHING[name]
            case _:
                return str(value)

    yield from table(
        ("topic", facts["slug"]),
        [(_words(name), shown(name, value)) for name, value in facts.items() if name != "slug"],
    )


def _words(name: str) -> str:
    """Return a name of JSON as words: ``storeMessages`` as ``store messages``."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name)
