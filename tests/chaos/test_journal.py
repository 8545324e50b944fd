"""What a worker remembers of its earlier lives, and how it is told what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.harness.consuming import Consuming
from tests.chaos.harness.history import Delivered, read_histories
from tests.chaos.harness.journal import LONGEST, Journal, brief
from tests.chaos.harness.publishing import Publishing
from tests.chaos.harness.worker import Work

MESSAGE_ID = "00000000-0000-4000-8000-000000000000"


def test_a_reader_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """The position is the last sequence that the same client wrote, in whatever life."""
    with Journal(tmp_path, "worker") as journal:
        assert journal.last_sequence("reader") is None
        _deliver(journal, "reader", 1, 2)
        _deliver(journal, "reader-2", 9)
    with Journal(tmp_path, "worker") as journal:
        assert journal.last_sequence("reader") == 2
        _deliver(journal, "reader", 3)
        assert journal.last_sequence("reader") == 3


def test_each_life_has_its_own_name(tmp_path: Path) -> None:
    """Operations and subscriptions are numbered anew, under another name."""
    names = []
    for worker in ("worker", "worker", "other"):
        with Journal(tmp_path, worker) as journal:
            _deliver(journal, "reader", 1)
            names.append(journal.who)
    assert names == ["worker.1", "worker.2", "other.1"]
    delivered = [each for each in read_histories(tmp_path) if isinstance(each, Delivered)]
    assert {(each.who, each.subscription) for each in delivered} == {
        (name, "reader/1") for name in names
    }


@pytest.mark.parametrize("text", ["", "short", "x" * LONGEST])
def test_short_texts_stay(text: str) -> None:
    """A text that is not long goes into the history as it is."""
    assert brief(text) == text


def test_long_texts_are_told_apart() -> None:
    """A long text is shortened, and another one to something else."""
    texts = {"x" * (LONGEST + 1), "x" * (LONGEST + 2), "y" * (LONGEST + 1)}
    shown = {brief(text) for text in texts}
    assert len(shown) == len(texts)
    assert all(len(text) <= LONGEST for text in shown)


def test_work_survives_json(tmp_path: Path) -> None:
    """A worker is told exactly what it is to do."""
    common: dict[str, Any] = {"user": "user", "key": "key", "topic": "topic"}
    work = Work(
        name="worker",
        folder=str(tmp_path),
        seed="1",
        servers=("localhost:1", "localhost:2"),
        publishers=(Publishing(name="publisher", door="dasf", pace=0.1, **common),),
        consumers=(Consuming(name="consumer", topic_id=1, habit="resume", **common),),
    )
    assert Work.from_json(work.to_json()) == work


def _deliver(journal: Journal, client: str, *sequences: int) -> None:
    name = journal.open_subscription(client, "topic", "user", "EARLIEST")
    for sequence in sequences:
        journal.deliver(name, "topic", "text", message_id=MESSAGE_ID, sequence=sequence)
    journal.end_subscription(name, "left")
