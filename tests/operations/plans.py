"""How the database goes about the statements of an operation."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

#: Tables that grow with the use of the broker.
BIG = {
    "auth_user",
    "dasf_broker_acknowledgement",
    "dasf_broker_apitoken",
    "dasf_broker_brokermessage",
    "dasf_broker_brokertopic",
    "dasf_broker_brokertopicuserpermission",
    "dasf_broker_brokertopicgrouppermission",
    "dasf_broker_rememberedmessage",
    "dasf_broker_responsetopic",
    "dasf_broker_responsetopic_source_messages",
}

#: Indexes of some among many rows, which may be read as a whole.
SMALL = {"dasf_broker_public_by_slug", "dasf_broker_public_by_age", "dasf_broker_to_ping"}

#: Rows that may be sorted: of a page for each topic of a page.
PAGE = 1000

#: What SQLite does for a row with its columns, in its own instructions, about.
INSTRUCTIONS = 25

#: A table in a statement, with the name that Django gives it there, if any.
_TABLE = re.compile(r'(?:FROM|JOIN|UPDATE|INTO) "(\w+)"(?: "?([A-Z]+\d+)\b"?)?')
#: What SQLite says of a table that it reads from its beginning, or from some row on.
_SCAN = re.compile(r"(?:SCAN|SEARCH(?=.*\(rowid>\?\))) (\w+)( USING (?:COVERING )?INDEX (\w+))?")


@dataclass(frozen=True)
class Plan:
    """What the database does for one statement."""

    text: str
    #: Big tables of which every row may be read.
    scanned: frozenset[str]
    #: Whether something is sorted; on PostgreSQL, whether it is more than a page.
    sorts: bool
    #: Rows of big tables that are read; of SQLite, as many as it had the time for.
    read: int = 0

    def __str__(self) -> str:
        return self.text


def plans_of(operation: Callable[[], Any]) -> list[Plan]:
    """Run an operation, and return the plans of its statements as of when they ran."""
    plans: list[Plan] = []
    explain = _explain_sqlite if connection.vendor == "sqlite" else _explain_postgres
    is_explaining = False

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal is_explaining
        if not is_explaining and not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            is_explaining = True
            plans.append(explain(sql, params[0] if many else params))
            is_explaining = False
        return execute(sql, params, many, context)

    def count() -> None:
        if plans and not is_explaining:
            plans[-1] = replace(plans[-1], read=plans[-1].read + 1)

    with connection.execute_wrapper(note), _counting(count):
        operation()
    assert plans
    return plans


@contextmanager
def _counting(count: Callable[[], None]) -> Iterator[None]:
    """Count the work of SQLite, which does not tell how many rows it reads."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.connection.set_progress_handler(count, INSTRUCTIONS)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)


def _explain_sqlite(sql: str, params: Any) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        lines = [detail for *_, detail in cursor.fetchall()]
    names = _tables(sql)
    scanned = {
        name
        for line in lines
        if (found := _SCAN.match(line)) and found[3] not in SMALL
        for name in names[found[1]]
    }
    sorts = any(line.startswith("USE TEMP B-TREE FOR ORDER BY") for line in lines)
    return Plan("\n".join([sql, *lines]), frozenset(scanned & BIG), sorts)


def _tables(sql: str) -> dict[str, set[str]]:
    """Return the tables of a statement by the names that it gives them."""
    tables: dict[str, set[str]] = defaultdict(set)
    for table, alias in _TABLE.findall(sql):
        tables[alias or table].add(table)
    return tables


def _explain_postgres(sql: str, params: Any) -> Plan:
    # What only reads is tried out: guesses say little where rows are spread unevenly.
    mode = "ANALYZE, TIMING OFF, " if sql.startswith(("SELECT", "(")) else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({mode}FORMAT JSON) {sql}", params)
        [[[found]]] = cursor.fetchall()
    nodes = list(_nodes(found["Plan"]))
    scanned = {node["Relation Name"] for node in nodes if _reads_all(node)}
    sorted_ = sum(_rows(node["Plans"][0]) for node in nodes if node["Node Type"] == "Sort")
    read = sum(_rows(node) for node in nodes if node.get("Relation Name") in BIG)
    text = f"{sql}\n{json.dumps(found, indent=1)}"
    return Plan(text, frozenset(scanned & BIG), sorts=sorted_ > PAGE, read=read)


def _rows(node: dict[str, Any]) -> int:
    if "Actual Rows" not in node:
        return int(node["Plan Rows"])
    found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return int(found * node["Actual Loops"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def _reads_all(node: dict[str, Any]) -> bool:
    if node["Node Type"] in {"Index Scan", "Index Only Scan"}:
        return "Index Cond" not in node and node["Index Name"] not in SMALL
    return bool(node["Node Type"] == "Seq Scan")
