"""Fill a site's SQLite database: ``python -m benchmarks.servers.grown MESSAGES TOPICS USERS``.

In plain SQL, because a million rows take their time otherwise. The topic that is measured has
20,000 of the messages and a tenth of the users as consumers; the rest is spread over the others.
"""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from django.contrib.contenttypes.models import ContentType  # noqa: E402 - Django first
from django.db import connection, transaction  # noqa: E402

from dasf_broker.models import BrokerTopic  # noqa: E402

#: Messages in the topic that is measured, at most.
IN_TOPIC = 20_000

_COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"


def main() -> None:
    """Fill the tables."""
    messages, topics, users = map(int, sys.argv[1:])
    topic = BrokerTopic.objects.get()
    with transaction.atomic(), connection.cursor() as cursor:
        _add_topics(cursor, topics)
        _add_users(cursor, users)
        _add_rights(cursor, users)
        _add_messages(cursor, messages, topic.pk)
    connection.cursor().execute("ANALYZE")


def _copy(cursor: Any, table: str, count: int, template: str, **values: str) -> None:
    """Insert so many copies of a row, with these columns computed from ``n.i``."""
    with connection.cursor() as reader:
        reader.execute(f"SELECT name FROM pragma_table_info('{table}') WHERE name <> 'id'")
        columns = [name for (name,) in reader.fetchall()]
    chosen = ", ".join(values.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(
        f'INSERT INTO "{table}" ({names}) {_COUNT} SELECT {chosen} FROM n, ({template}) t',
        [count],
    )


def _add_topics(cursor: Any, count: int) -> None:
    template = "SELECT * FROM dasf_broker_brokertopic LIMIT 1"
    _copy(cursor, "dasf_broker_brokertopic", count, template, slug="'grown-' || n.i")


def _add_users(cursor: Any, count: int) -> None:
    template = "SELECT * FROM auth_user WHERE username = 'consumer'"
    _copy(cursor, "auth_user", count, template, username="'grown-' || n.i")


def _add_rights(cursor: Any, users: int) -> None:
    # Ten topics for each user; every tenth user consumes from the topic that is measured.
    kind = ContentType.objects.get_for_model(BrokerTopic).pk
    insert = "INSERT INTO dasf_broker_brokertopicuserpermission"
    right = (
        "SELECT id FROM auth_permission"
        f" WHERE codename = 'can_consume' AND content_type_id = {kind}"
    )
    user = "(SELECT id FROM auth_user WHERE username = 'grown-' || (n.i %% %s + 1))"
    topic = "(SELECT id FROM dasf_broker_brokertopic WHERE slug = 'grown-' || n.i)"
    columns = "(user_id, content_object_id, permission_id)"
    cursor.execute(
        f"{insert} {columns} {_COUNT} SELECT {user}, {topic}, ({right}) FROM n"
        f" WHERE {topic} IS NOT NULL",
        [users * 10, users],
    )
    cursor.execute(
        f"{insert} {columns} SELECT u.id, t.id, ({right}) FROM auth_user u,"
        " dasf_broker_brokertopic t WHERE t.slug NOT LIKE 'grown-%%'"
        " AND u.username LIKE 'grown-%%0'",
        [],
    )


def _add_messages(cursor: Any, count: int, measured: int) -> None:
    own = min(IN_TOPIC, count // 10)
    template = "SELECT * FROM dasf_broker_brokermessage LIMIT 1"
    others = "(SELECT count(*) FROM dasf_broker_brokertopic)"
    # Topics have the ids 1, 2, ...: a fresh database, and nothing was ever deleted.
    topic = f"CASE WHEN n.i <= {own} THEN {measured} ELSE 2 + n.i %% ({others} - 1) END"
    _copy(
        cursor,
        "dasf_broker_brokermessage",
        count,
        template,
        message_id="lower(hex(randomblob(16)))",
        topic_id=topic,
        sequence="n.i + 1000",
    )
    cursor.execute(
        "UPDATE dasf_broker_brokertopic SET last_sequence = 1000 + %s WHERE id = %s",
        [count, measured],
    )


if __name__ == "__main__":
    main()
