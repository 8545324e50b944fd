"""Create the topics, users, rights and the token of the demo. Safe to repeat.

All of them belong to one group, by which ``--reset`` finds them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import CommandError

from dasf_broker import primary
from dasf_broker.auth import create_token
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.management.base import new_user
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.storage.deletion import remove_deleted
from dasf_broker.permissions import Right, anonymous_user, grant

GROUP = "quickstart"

TOPICS: dict[str, dict[str, Any]] = {
    # A reading is useful for a second, and no consumer acknowledges it. Stored, these messages
    # would fill the database for as long as the demo runs.
    "machine": {"store_messages": StoragePolicy.DISABLED.value, "supports_dasf": False},
    # Kept until the echo client acknowledges, also while that is away.
    "echo": {
        "store_messages": StoragePolicy.CACHE.value,
        "is_public": True,  # so that a first look, and a first ping, need no token
    },
    # For trying it by hand: publish, read, acknowledge.
    "inbox": {"store_messages": StoragePolicy.CACHE.value, "supports_dasf": False},
}

#: Accounts with a password, and the accounts of programs, which cannot log in.
PEOPLE = ("admin", "demo")
SERVICES = ("machine", "echo")

#: Callers without a token or a login.
ANYBODY = "anybody"

RIGHTS = (
    (ANYBODY, "machine", (Right.CONSUME,)),
    ("demo", "machine", (Right.CONSUME,)),
    ("demo", "echo", (Right.PRODUCE,)),
    ("demo", "inbox", (Right.PRODUCE, Right.CONSUME)),
    ("machine", "machine", (Right.PRODUCE,)),
    ("echo", "echo", (Right.CONSUME,)),
)


@dataclass
class Secrets:
    """The secrets of accounts that were created just now; they can be shown only once."""

    passwords: dict[str, str] = field(default_factory=dict)
    token: str | None = None


@primary.atomic()
def seed(*, reset: bool = False) -> Secrets:
    """Create whatever is missing; with ``reset``, first remove what an earlier run created.

    Raises
    ------
    CommandError
        A name is taken by a row that the demo did not create.
    """
    if reset:
        remove()
    group, _ = Group.objects.get_or_create(name=GROUP)
    made = Secrets()
    users = {name: _user(name, group, made) for name in (*PEOPLE, *SERVICES)}
    users[ANYBODY] = anonymous_user()
    topics = {slug: _topic(slug, group) for slug in TOPICS}
    for name, slug, rights in RIGHTS:
        if (holder := users[name]) is not None:
            grant(holder, topics[slug], *rights)
    if "demo" in made.passwords:
        _, made.token = create_token(users["demo"], label="quickstart")
    return made


def remove() -> None:
    """Remove the rows that the demo created, and the rows that refer to them; nothing else."""
    for group in Group.objects.filter(name=GROUP):
        BrokerTopic.objects.filter(pk__in=_topics_of(group)).delete()
        for _ in remove_deleted():
            pass
        _people().filter(groups=group).delete()
        group.delete()


def _user(name: str, group: Group, made: Secrets) -> Any:
    user = _people().filter(**{get_user_model().USERNAME_FIELD: name}).first()
    if user is None:
        password = secrets.token_urlsafe(9) if name in PEOPLE else None
        user = new_user(name, password=password, is_superuser=name == "admin")
        user.groups.add(group)
        if password is not None:
            made.passwords[name] = password
    elif name != "admin" and not user.groups.filter(pk=group.pk).exists():
        # An `admin` that the host has already is used, and left unchanged.
        raise _taken("user", name)
    return user


def _topic(slug: str, group: Group) -> BrokerTopic:
    topic: BrokerTopic
    topic, is_new = BrokerTopic.objects.get_or_create(slug=slug, defaults=TOPICS[slug])
    if not is_new and not _topics_of(group).filter(pk=topic.pk).exists():
        raise _taken("topic", slug)
    grant(group, topic, Right.VIEW_STATUS)
    return topic


def _topics_of(group: Group) -> Any:
    held = {"group": group, "permission__codename": Right.VIEW_STATUS}
    return BrokerTopic.objects.filter(
        **{f"brokertopicgrouppermission__{name}": value for name, value in held.items()}
    )


def _people() -> Any:
    return get_user_model()._default_manager


def _taken(kind: str, name: str) -> CommandError:
    return CommandError(
        f"There is a {kind} {name!r} that this demo did not create. Use an empty database: "
        "set DATABASE_URL, or DASF_VAR to an empty folder."
    )
