"""Commands that go on until they are told to end, in processes of their own."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.servers import ROOT, Site, site

#: Seconds to wait for anything; far more than anything takes.
DEADLINE = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a site with a topic, and somebody who may do everything with it."""
    with site(tmp_path_factory.mktemp("site")) as made:
        made.prepare({"weather": {}}, {"ada": ["can_consume", "can_produce"]})
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_listen_ends_cleanly(number: signal.Signals, made: Site) -> None:
    """It shows what another process publishes, until Ctrl-C or SIGTERM, which is no error."""
    command = ("dasf_listen", "weather", "--user", "ada", "--ack", "--json")
    made.run("manage.py", "dasf_publish", "weather", "--data", "1", "--user", "ada")
    with _running(made, *command) as process:
        # The first was there before, so it listens now; the second comes while it does.
        assert _line(process)["payload"] == "MQ=="
        made.run("manage.py", "dasf_publish", "weather", "--data", "2", "--user", "ada")
        assert _line(process)["payload"] == "Mg=="
        assert _end(process, number) == (0, "")
    shown = json.loads(made.run("manage.py", "dasf_topic", "weather", "--json"))
    assert shown["storedMessages"] == 0


def test_housekeeping_ends_cleanly(made: Site) -> None:
    """It goes on each minute until SIGTERM, and gives its lease back."""
    made.prepare({"never-pinged": {}}, {})
    with _running(made, "dasf_housekeeping", "--loop", "--json") as process:
        assert _line(process)["pinged"] == 1
        assert _end(process, signal.SIGTERM) == (0, "")
    assert json.loads(made.run("manage.py", "dasf_housekeeping", "--json"))["busy"] is False


def test_a_reader_that_has_seen_enough(made: Site) -> None:
    """`| head` ends a command without a word."""
    with _running(made, "dasf_listen", "weather", "--user", "ada") as process:
        assert process.stdout is not None
        process.stdout.close()
        made.run("manage.py", "dasf_publish", "weather", "--data", "1", "--user", "ada")
        assert process.stderr is not None
        assert process.wait(DEADLINE) == 0
        assert process.stderr.read() == ""


@contextmanager
def _running(made: Site, *command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command, "--skip-checks"],
        cwd=ROOT,
        env=made.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def _line(process: subprocess.Popen[str]) -> dict[str, object]:
    """Return the next line that a process prints, as JSON."""
    assert process.stdout is not None
    deadline = time.monotonic() + DEADLINE
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not selector.select(0.1):
            assert process.poll() is None, _rest(process)
            assert time.monotonic() < deadline
    line = process.stdout.readline()
    assert line, _rest(process)
    read: dict[str, object] = json.loads(line)
    return read


def _end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    return process.wait(DEADLINE), _rest(process)


def _rest(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()
