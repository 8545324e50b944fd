"""A database in which every table is large, and what is looked for is small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.utils import timezone

from dasf_broker.auth import Credential, CredentialKind, create_token
from dasf_broker.domain.cursors import message_cursor
from dasf_broker.domain.sizes import LARGE
from dasf_broker.models import (
    Acknowledgement,
    ApiToken,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicGroupPermission,
    BrokerTopicUserPermission,
    RememberedMessage,
    ResponseTopic,
)
from dasf_broker.permissions import Right, grant

#: Rows of the big tables: so many that PostgreSQL would not rather read them all.
TOPICS = 20_000
USERS = 5_000
MESSAGES = 20_000

#: Topics with messages, besides the busy one; and response topics.
STORING = 5_000
ANSWERS = slice(6_000, TOPICS)


@dataclass(frozen=True)
class Crowd:
    """Who and what is in the database."""

    #: Holds all rights on some topics, and is one of many consumers of ``busy``.
    reader: User
    #: The key of one of many tokens.
    key: str
    #: Some of the tokens, as sockets keep them.
    credentials: set[Credential]
    #: A topic with half of all messages, all users for consumers, and a response topic.
    busy: BrokerTopic
    #: Topics with few messages and few people.
    quiet: list[BrokerTopic]
    #: Response topics that answer requests of ``busy``.
    answers: list[BrokerTopic]
    #: Messages of ``busy``, and those of the first quiet topic, which is under ``cacheall``.
    message_ids: list[UUID]
    last_ids: list[UUID]

    def cursor(self, sequence: int) -> str:
        """Return the cursor of a message of ``busy``."""
        return message_cursor(self.busy.pk, sequence, self.busy.epoch)


def create_crowd() -> Crowd:
    """Fill the database. PostgreSQL may count the rows; SQLite is never told, as in real life."""
    users = User.objects.bulk_create(User(username=f"user-{number}") for number in range(USERS))
    topics = BrokerTopic.objects.bulk_create(map(_topic, range(TOPICS)))
    _add_response_topics(topics)
    _add_messages(topics, users)
    _add_memories(topics)
    _add_rights(topics, users)
    tokens = ApiToken.objects.bulk_create(
        ApiToken(user=user, prefix=f"p{user.pk}", digest="-") for user in users
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # As for the disks of today. With the default, tables of this size look small.
            cursor.execute("SET LOCAL random_page_cost = 1.1")
            cursor.execute("ANALYZE")
    _, key = create_token(users[0])
    loaded = BrokerTopic.objects.with_response_info().in_bulk([each.pk for each in topics])
    busy, *others = (loaded[each.pk] for each in topics)
    answers = [loaded[each.pk] for each in topics[ANSWERS][:40]]
    message_ids = list(busy.brokermessage_set.values_list("message_id", flat=True)[:3])
    last_ids = list(others[0].brokermessage_set.values_list("message_id", flat=True))
    credentials = {Credential(CredentialKind.TOKEN, token.pk) for token in tokens[:20]}
    return Crowd(users[0], key, credentials, busy, others[:40], answers, message_ids, last_ids)


def _topic(number: int) -> BrokerTopic:
    """Return a topic: the first is busy; some of the others want something of the housekeeping."""
    kind = number % 100 if 100 < number < ANSWERS.start else 0
    return BrokerTopic(
        slug=f"topic-{number:05}",
        store_messages="cacheall" if number == 1 or kind == 5 else "store",
        last_sequence=MESSAGES // 2 if number == 0 else 2 * (number <= STORING),
        is_public=kind == 1,
        supports_dasf=kind == 2,
        retention_count=10 if kind == 3 else None,
        retention_age=10**6 if kind == 4 else None,
        garbage_collect_on=timezone.now() if number % 200 == 1 else None,
    )


def _add_response_topics(topics: list[BrokerTopic]) -> None:
    # Of the busy topic a hundred, of others one each. Django has no bulk insert for the child of a
    # model.
    answers = topics[ANSWERS]
    sources = topics[:1] * 100 + topics[100:5_000] * 3
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dasf_broker_responsetopic (brokertopic_ptr_id, is_response_for_id)"
            " VALUES (%s, %s)",
            [(topic.pk, source.pk) for topic, source in zip(answers, sources, strict=False)],
        )


def _add_messages(topics: list[BrokerTopic], users: list[User]) -> None:
    owners = [
        (topic, sequence) for topic in topics for sequence in range(1, topic.last_sequence + 1)
    ]
    rows = BrokerMessage.objects.bulk_create(
        BrokerMessage(
            topic=topic,
            sequence=sequence,
            message_id=uuid4(),
            message_type="request",
            content={"properties": {}, "payload": "x" * (200 if index % 20 else 2 * LARGE)},
            user=users[index % USERS],
            context=index % 100 or None,
        )
        for index, (topic, sequence) in enumerate(owners[:MESSAGES])
    )
    Acknowledgement.objects.bulk_create(
        Acknowledgement(message=row, user=users[0 if index % 2 else index % USERS])
        for index, row in enumerate(rows)
    )
    links = ResponseTopic.source_messages.through
    answers = topics[ANSWERS]
    links.objects.bulk_create(
        links(responsetopic_id=answers[index % len(answers)].pk, brokermessage_id=row.pk)
        for index, row in enumerate(rows[: MESSAGES // 2])
    )


def _add_memories(topics: list[BrokerTopic]) -> None:
    now = timezone.now()
    RememberedMessage.objects.bulk_create(
        RememberedMessage(
            topic=topic,
            message_id=uuid4(),
            sequence=1,
            fingerprint="",
            date_created=now,
            forget_on=now + timedelta(seconds=number - 10),
        )
        for number, topic in enumerate(topics)
    )


def _add_rights(topics: list[BrokerTopic], users: list[User]) -> None:
    permissions = {each.codename: each for each in Permission.objects.all()}
    consume, produce = permissions[Right.CONSUME], permissions[Right.PRODUCE]
    held = BrokerTopicUserPermission.objects
    busy, own = topics[0], topics[-USERS:]
    held.bulk_create(
        held.model(user=each, content_object=busy, permission=consume) for each in users
    )
    held.bulk_create(
        held.model(user=user, content_object=topic, permission=produce)
        for user, topic in zip(users, own, strict=True)
    )
    for topic in [busy, *topics[1:41]]:
        grant(users[0], topic, *Right)
    groups = Group.objects.bulk_create(Group(name=f"group-{number}") for number in range(200))
    given = BrokerTopicGroupPermission.objects
    given.bulk_create(
        given.model(group=groups[number % 200], content_object=topic, permission=consume)
        for number, topic in enumerate(topics[-5000:])
    )
    memberships = User.groups.through.objects
    memberships.bulk_create(
        memberships.model(user=user, group=groups[number % 200])
        for number, user in enumerate(users)
    )
