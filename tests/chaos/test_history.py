"""Histories: what a process wrote is read again, also when it was killed while writing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.harness.history import (
    KINDS,
    Delivered,
    Drained,
    FaultBegan,
    FinalRow,
    PublishInvoked,
    Record,
    Recorder,
    SubscriptionEnded,
    now,
    read_histories,
    read_history,
)

WRITER = """
import itertools, sys
from pathlib import Path
from tests.chaos.harness.history import Recorder, SubscriptionEnded
recorder = Recorder(Path(sys.argv[1]), "writer")
for number in itertools.count():
    recorder.append(SubscriptionEnded(subscription=str(number), reason="x" * 100))
    print(number, flush=True)
"""

RECORDS = st.one_of([st.builds(kind, at=st.floats(0, 10**9)) for kind in KINDS.values()])


@given(RECORDS)
def test_a_record_survives_json(record: Record) -> None:
    """Read what was written, in one line, whatever the texts are."""
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_json(line) == record


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "1",
        "{}",
        '{"kind": "Nonsense"}',
        '{"kind": "Drained", "surplus": 1}',
        '{"kind": "FaultEnded"}',
    ],
)
def test_what_is_no_record_is_refused(line: str) -> None:
    """Refuse lines that somebody else wrote."""
    with pytest.raises(ValueError, match=r"."):
        Record.from_json(line)


def test_a_recorder_says_when_and_who(tmp_path: Path) -> None:
    """Stamp records with the time of writing, unless they have one, and the process."""
    before = now()
    with Recorder(tmp_path / "one.jsonl", "one") as recorder:
        stamped = recorder.append(FaultBegan(fault="kill redis"))
        dated = recorder.append(Drained(at=5.0))
    assert before <= stamped.at <= now()
    assert (stamped.who, dated.who, dated.at) == ("one", "one", 5.0)
    assert [*read_history(tmp_path / "one.jsonl")] == [stamped, dated]


def test_a_file_has_one_writer(tmp_path: Path) -> None:
    """Refuse a file that is there already: operations would have the same numbers."""
    with Recorder(tmp_path / "one.jsonl", "one"), pytest.raises(FileExistsError):
        Recorder(tmp_path / "one.jsonl", "one")


def test_histories_are_merged_in_the_order_of_time(tmp_path: Path) -> None:
    """Merge the files of several processes; other files are left alone."""
    (tmp_path / "server.log").write_text("not a history\n")
    with (
        Recorder(tmp_path / "a.jsonl", "a") as first,
        Recorder(tmp_path / "b.jsonl", "b") as second,
    ):
        first.append(_invoked(at=1.0))
        second.append(Delivered(at=2.0, subscription="s", topic="t", message_id="m", text="x"))
        first.append(FinalRow(at=3.0, topic="t", message_id="m", sequence=1))
    assert [(each.at, each.who) for each in read_histories(tmp_path)] == [
        (1.0, "a"),
        (2.0, "b"),
        (3.0, "a"),
    ]


@pytest.mark.parametrize("length", range(1, 40, 6))
def test_a_torn_last_line_is_left_out(tmp_path: Path, length: int) -> None:
    """Read what is before a line that was not finished, and in none but the last place."""
    path = tmp_path / "one.jsonl"
    with Recorder(path, "one") as recorder:
        whole = recorder.append(_invoked(at=1.0))
    torn = whole.to_json().encode()[:length]
    path.write_bytes(path.read_bytes() + torn)
    assert [*read_history(path)] == [whole]
    path.write_bytes(torn + b"\n" + path.read_bytes())
    with pytest.raises(ValueError, match=r"."):
        [*read_history(path)]


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 a process that writes: every record that it was told to be written is there."""
    path = tmp_path / "writer.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "200":
                process.send_signal(signal.SIGKILL)
        # The numbers that were still in the pipe are read by the loop too.
        told = int(line)
    names = [
        each.subscription for each in read_history(path) if isinstance(each, SubscriptionEnded)
    ]
    assert names[: told + 1] == [str(number) for number in range(told + 1)]
    assert len(names) <= told + 2


def _invoked(at: float) -> PublishInvoked:
    return PublishInvoked(
        at=at, operation=1, topic="t", message_id="m", text="naïve\n\u2028", user="paul"
    )
