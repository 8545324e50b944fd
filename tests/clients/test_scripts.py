"""The scripts of ``examples/scripts``, in Python and with curl, as people run them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.servers import Site, copy_of, site
from tests.clients.conftest import PEOPLE, TOPICS, Deployment
from tests.clients.scripts import (
    SCRIPTS,
    command,
    consumer,
    csv_of,
    lines_of,
    outstanding,
    processor,
    run,
    stored,
    until,
    url,
    working,
)

#: The same script in both languages.
BOTH = pytest.mark.parametrize("language", ["py", "sh"])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, str]]]:
    """Return a site that nobody serves, and the keys of people."""
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made, made.prepare(TOPICS, PEOPLE)


@pytest.fixture
def fresh(original: tuple[Site, dict[str, str]], tmp_path: Path) -> Iterator[Deployment]:
    """Run a server on a site that no other test has used."""
    with copy_of(original[0], tmp_path) as made, made.server() as server:
        yield Deployment(made, server, original[1])


@BOTH
def test_ping_watcher(fresh: Deployment, language: str) -> None:
    """Its exit code says whether all consumers are there."""
    ask = command("ping_watcher", language)
    quick = {"PATIENCE": "1"} if language == "sh" else {}
    patience = [] if language == "sh" else ["--patience", "1"]
    offline = run(fresh, [*ask, *patience, "topic"], **quick)
    assert (offline.returncode, offline.stdout) == (1, "topic: offline\n")
    with consumer(fresh):
        online = run(fresh, [*ask, "topic"])
        assert (online.returncode, online.stdout) == (0, "topic: online\n")
        missing = run(fresh, [*ask, "topic", "missing"])
        assert (missing.returncode, "missing" in missing.stderr) == (2, True)
    assert run(fresh, ask).returncode == 2
    elsewhere = run(fresh, [*ask, "topic"], DASF_URL="http://127.0.0.1:9/graphql/")
    assert elsewhere.returncode == 2


@BOTH
def test_worker(fresh: Deployment, language: str, tmp_path: Path) -> None:
    """It acknowledges what it has done, outlives a restart, and begins with what is left."""
    fresh.publish("topic", "one", "two")
    with working(fresh, language) as said:
        assert [said(), said()] == ["one", "two"]
        until(lambda: outstanding(fresh) == 0)
        fresh.server.stop()
        fresh.publish("topic", "three")
        with fresh.site.server(port=fresh.server.port):
            assert said() == "three"
            until(lambda: outstanding(fresh) == 0)
    with fresh.site.server(port=fresh.server.port):
        fresh.publish("topic", "four")
        with working(fresh, language) as said:
            assert said() == "four"


@BOTH
@pytest.mark.parametrize("wrong", [{"topic": "missing"}, {"key": "wrong"}])
def test_worker_that_may_not(fresh: Deployment, language: str, wrong: dict[str, str]) -> None:
    """It says so, and does not try for ever."""
    ended = run(
        fresh,
        [*command("worker", language), wrong.get("topic", "topic"), *processor(language)],
        DASF_KEY=wrong.get("key", fresh.keys["worker"]),
        DASF_URL=url(fresh, language),
    )
    assert ended.returncode == 2
    assert ended.stderr


@BOTH
def test_worker_whose_work_fails(fresh: Deployment, language: str, tmp_path: Path) -> None:
    """What it could not do is not acknowledged."""
    fresh.publish("topic", "one")
    if language == "py":
        script = tmp_path / "worker.py"
        text = (SCRIPTS / "worker.py").read_text(encoding="utf-8")
        script.write_text(text.replace("    print(message[", "    assert False, (message["))
        called = [sys.executable, str(script), "topic"]
    else:
        called = [*command("worker", language), "topic", "false"]
    ended = run(fresh, called, DASF_URL=url(fresh, language))
    assert ended.returncode == 1
    assert outstanding(fresh) == 1


@pytest.mark.parametrize(
    ("language", "suffix"), [("py", ".csv"), ("py", ".jsonl"), ("sh", ".jsonl")]
)
def test_bulk_publish(fresh: Deployment, language: str, suffix: str, tmp_path: Path) -> None:
    """All rows are published, and not one twice when the file is sent again."""
    rows = [{"station": f"'Ñ\" {number}", "celsius": str(number)} for number in range(230)]
    file = tmp_path / f"rows{suffix}"
    file.write_text(csv_of(rows) if suffix == ".csv" else lines_of(rows), encoding="utf-8")
    publish = [*command("bulk_publish", language), "other", str(file)]
    for _ in range(2):
        done = run(fresh, publish)
        assert (done.returncode, done.stderr) == (0, "")
    assert stored(fresh) == rows


@BOTH
def test_bulk_publish_that_is_refused(fresh: Deployment, language: str, tmp_path: Path) -> None:
    """It says which message, and its exit code says that there was one."""
    file = tmp_path / "rows.jsonl"
    file.write_text(lines_of([{"celsius": 1}]), encoding="utf-8")
    publish = command("bulk_publish", language)
    refused = run(fresh, [*publish, "missing", str(file)])
    assert (refused.returncode, "missing" in refused.stderr) == (1, True)
    assert run(fresh, [*publish, "other", str(tmp_path / "nothing")]).returncode == 2
