"""Publish the rows of a CSV file, or the lines of a JSON Lines file, one message each.

    python bulk_publish.py weather readings.csv
    python bulk_publish.py weather readings.jsonl

A message's id is made of the topic, the line's number and what it says. So the same file may be
sent again after a failure: what is there already is not published twice. DASF_URL and DASF_KEY
say where the broker is, and who publishes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError
from gql.transport.httpx import HTTPXTransport

PUBLISH = gql("""
    mutation ($inputs: [PublishMessageInput!]!) {
        publishMessages(inputs: $inputs) {
            results { messageId status error { code message } }
        }
    }
""")

#: Messages in one request; the broker takes 500.
BATCH = 100

#: Characters of the progress bar.
WIDTH = 30


def rows_of(path: Path) -> list[Any]:
    """Return what is to be published."""
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return list(csv.DictReader(file))
        return [json.loads(line) for line in file if line.strip()]


def messages_of(topic: str, rows: list[Any]) -> Iterator[dict[str, Any]]:
    """Make a message of each row, with an id that is the same each time."""
    for number, row in enumerate(rows):
        name = json.dumps([topic, number, row], sort_keys=True)
        yield {"topic": topic, "messageId": str(uuid5(NAMESPACE_URL, name)), "data": row}


def show(done: int, total: int) -> None:
    """Draw the progress bar; only people look at it."""
    if sys.stderr.isatty():
        bar = "#" * (WIDTH * done // total)
        end = "\n" if done == total else ""
        print(f"\r[{bar:<{WIDTH}}] {done}/{total}", end=end, file=sys.stderr, flush=True)


def publish(topic: str, rows: list[Any], *, url: str, key: str) -> int:
    """Publish the rows batch by batch; return the exit code."""
    transport = HTTPXTransport(url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    counts: Counter[str] = Counter()
    messages = messages_of(topic, rows)
    with Client(transport=transport) as session:
        while batch := list(islice(messages, BATCH)):
            done = session.execute(GraphQLRequest(PUBLISH, variable_values={"inputs": batch}))
            for result in done["publishMessages"]["results"]:
                counts[result["status"] or "REFUSED"] += 1
                if result["error"]:
                    print(f"{result['messageId']}: {result['error']['message']}", file=sys.stderr)
            show(counts.total(), len(rows))
    print(", ".join(f"{number} {status.lower()}" for status, number in sorted(counts.items())))
    return 1 if counts["REFUSED"] else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("file", type=Path, metavar="FILE", help="*.csv, or JSON Lines")
    parser.add_argument("--url", default=os.environ.get("DASF_URL"), help="like DASF_URL")
    given = parser.parse_args()
    if not given.url:
        parser.error("say where the broker is, with --url or DASF_URL")
    try:
        rows = rows_of(given.file)
        key = os.environ.get("DASF_KEY", "")
        return publish(given.topic, rows, url=given.url, key=key)
    except (TransportError, httpx.HTTPError, OSError, ValueError) as error:
        print(f"Not all was published: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
