"""The command `dasf_housekeeping`, and what all commands show on a terminal."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import OutputWrapper
from django.utils import timezone

from dasf_broker.auth import create_token
from dasf_broker.management.terminal import Progress, table
from dasf_broker.models import BrokerTopic, Lease, RememberedMessage
from dasf_broker.operations.storage import removal
from dasf_broker.operations.upkeep.lease import take_lease
from dasf_broker.operations.upkeep.schedule import LEASE
from tests.doors.commands import run

OURS = sorted(name for name, app in get_commands().items() if app == "dasf_broker")


class Terminal(StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        """They do."""
        return True


def test_done_once(topic: BrokerTopic, stranger: User) -> None:
    """It says what was done, and gives the lease back."""
    create_token(stranger, expires=timezone.now() - timedelta(days=40))
    ran = run("dasf_housekeeping")
    assert (ran.code, ran.err) == (0, "")
    assert "pinged 1 topics" in ran.out
    assert "1 tokens" in ran.out
    assert run("dasf_housekeeping", "--json").data == {
        "busy": False,
        "pinged": 0,
        "collected": 0,
        "expired": 0,
        "settled": 0,
        "retired": 0,
        "forgotten": 0,
        "deleted": 0,
    }
    assert take_lease(LEASE, "another", 60)


def test_messages_and_ids_are_told(topic: BrokerTopic, producer: User) -> None:
    """What retention removes, and what is forgotten of what was removed before."""
    _publish(topic, producer, 3)
    BrokerTopic.objects.update(retention_count=1)
    assert "removed 2 messages by retention, forgot 0 message ids" in run("dasf_housekeeping").out
    RememberedMessage.objects.update(forget_on=timezone.now())
    counts = run("dasf_housekeeping", "--json").data
    assert (counts["retired"], counts["forgotten"]) == (0, 2)


def test_all_of_it_is_shown_in_one_bar(
    topic: BrokerTopic, producer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody watches: each message that goes is a step, as each ping is."""
    monkeypatch.setattr(removal, "STEP", 2)
    _publish(topic, producer, 6)
    BrokerTopic.objects.update(retention_count=1)
    terminal = Terminal()
    call_command("dasf_housekeeping", stdout=StringIO(), stderr=terminal)
    shown = [each.rpartition(" ")[2] for each in terminal.getvalue().split("\r") if "/" in each]
    assert list(dict.fromkeys(shown)) == ["1/6", "3/6", "5/6", "6/6"]


def test_another_one_is_at_work(topic: BrokerTopic) -> None:
    """Nothing is done, and that is no error; their lease stays theirs."""
    assert take_lease(LEASE, "another", 60)
    ran = run("dasf_housekeeping")
    assert (ran.code, ran.err) == (0, "")
    assert "Another process is at work" in ran.out
    assert run("dasf_housekeeping", "--json").data == {"busy": True}
    topic.refresh_from_db()
    assert topic.last_ping is None
    assert Lease.objects.get().holder == "another"


def test_table() -> None:
    """Columns are as wide as their widest cell, and lines have no blanks at their end."""
    assert list(table(("a", "bbb"), [("cc", "d"), ("e", "ffff")])) == [
        "a   bbb",
        "cc  d",
        "e   ffff",
    ]
    assert list(table(("a", "b"), [])) == ["a  b"]


def test_progress_on_a_terminal() -> None:
    """A bar fills, and goes away at the end."""
    stream = Terminal()
    bar = Progress(OutputWrapper(stream), "pinging", 4)
    for _ in range(4):
        bar.advance()
    drawn = stream.getvalue().split("\r")[1:]
    assert [each.count("#") for each in drawn] == [7, 15, 22, 30]
    assert drawn[-1].endswith("4/4")
    bar.finish()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_without_a_total() -> None:
    """It is counted."""
    stream = Terminal()
    bar = Progress(OutputWrapper(stream), "removing")
    bar.advance(3)
    assert stream.getvalue() == "\rremoving 3"


def test_progress_where_nobody_watches() -> None:
    """A script gets no bar."""
    stream = StringIO()
    bar = Progress(OutputWrapper(stream), "pinging", 4)
    bar.advance()
    bar.finish()
    assert stream.getvalue() == ""


def _publish(topic: BrokerTopic, producer: User, count: int) -> None:
    for _ in range(count):
        topic.create_and_send_message(producer, {"payload": ""})


@pytest.mark.parametrize("name", OURS)
def test_help(name: str) -> None:
    """Each command says what it does, and what each of its options means."""
    command = load_command_class("dasf_broker", name)
    parser = command.create_parser("manage.py", name)
    assert command.help
    assert all(action.help for action in parser._actions)
    if name.startswith("dasf_"):
        assert "examples:\n  manage.py " in parser.format_help()
        assert "exit code:\n  0  " in parser.format_help()


def test_all_commands_are_known() -> None:
    """None was forgotten above."""
    assert {"dasf_housekeeping", "dasf_listen", "dasf_ping", "dasf_publish", "dasf_topic"} <= set(
        OURS
    )
