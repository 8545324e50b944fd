"""``manage.py quickstart``: what it makes, what it says, and what it refuses to touch."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.management.demo import machine
from dasf_broker.management.demo.seed import TOPICS
from dasf_broker.models import ApiToken, BrokerTopic
from dasf_broker.permissions import rights_on
from tests.conftest import MakeTopic, MakeUser
from tests.tokens import token_owner

Quickstart = Callable[..., str]


@pytest.fixture
def quickstart(db: None, settings: Settings) -> Quickstart:
    """Return a function that runs the command, without the server, and returns what it says."""
    settings.DEBUG = True

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("quickstart", "--no-serve", *arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.mark.parametrize(
    ("username", "slug", "allowed"),
    [
        ("demo", "machine", {"may_consume"}),
        ("demo", "echo", {"may_produce"}),
        ("demo", "inbox", {"may_produce", "may_consume"}),
        ("machine", "machine", {"may_produce"}),
        ("echo", "echo", {"may_consume", "may_produce"}),
        ("AnonymousUser", "machine", {"may_consume"}),
        ("AnonymousUser", "echo", {"may_produce"}),
        ("AnonymousUser", "inbox", set()),
        ("echo", "inbox", set()),
    ],
)
def test_rights(quickstart: Quickstart, username: str, slug: str, allowed: set[str]) -> None:
    """Everybody holds the rights that the demo needs, and no other."""
    quickstart()
    held = rights_on(user(username), BrokerTopic.objects.get(slug=slug))
    questions = ("may_produce", "may_consume", "may_change", "may_delete")
    assert {name for name in questions if getattr(held, name)} == allowed


def test_topics(quickstart: Quickstart) -> None:
    """What nobody acknowledges is not stored; what answers pings says so."""
    quickstart()
    topics = {topic.slug: topic for topic in BrokerTopic.objects.all()}
    assert topics.keys() == {"machine", "echo", "inbox"}
    assert topics["machine"].storage_policy is StoragePolicy.DISABLED
    assert topics["echo"].storage_policy is StoragePolicy.CACHE
    assert [slug for slug, topic in topics.items() if topic.supports_dasf] == ["echo"]


def test_the_secrets_work(quickstart: Quickstart) -> None:
    """The passwords and the token that are shown let their owners in."""
    said = quickstart()
    assert authenticate(username="admin", password=secret(said, "admin")) == user("admin")
    assert authenticate(username="demo", password=secret(said, "demo")) == user("demo")
    assert token_owner(secret(said, "token")) == user("demo")
    assert user("admin").is_superuser
    assert user("admin").is_staff
    assert not user("demo").is_staff


def test_programs_cannot_log_in(quickstart: Quickstart) -> None:
    """The service accounts have no password."""
    quickstart()
    assert not user("machine").has_usable_password()
    assert not user("echo").has_usable_password()


def test_again(quickstart: Quickstart) -> None:
    """A second run makes nothing, and says how to get new secrets."""
    first = quickstart()
    before = inventory()
    again = quickstart()
    assert inventory() == before
    assert secret(first, "demo") not in again
    assert secret(first, "token") not in again
    assert "shown by the first run" in again
    assert "manage.py dasf_token demo" in again
    assert "manage.py changepassword demo" in again


def test_again_mends(quickstart: Quickstart) -> None:
    """What was deleted is made again; what was changed stays changed."""
    quickstart()
    BrokerTopic.objects.get(slug="echo").delete()
    BrokerTopic.objects.filter(slug="inbox").update(store_messages="store")
    quickstart()
    echo = BrokerTopic.objects.get(slug="echo")
    assert rights_on(user("echo"), echo).may_consume
    assert BrokerTopic.objects.get(slug="inbox").storage_policy is StoragePolicy.STORE


def test_reset(quickstart: Quickstart, make_topic: MakeTopic, make_user: MakeUser) -> None:
    """All that the demo made is made anew, and nothing else is touched."""
    mine, me = make_topic("mine"), make_user("me")
    first = quickstart()
    BrokerTopic.objects.filter(slug="inbox").update(store_messages="store")
    again = quickstart("--reset")
    for name in ("admin", "demo", "token"):
        assert secret(again, name) != secret(first, name)
    assert token_owner(secret(again, "token")) == user("demo")
    assert token_owner(secret(first, "token")) is None
    assert BrokerTopic.objects.get(slug="inbox").storage_policy is StoragePolicy.CACHE
    assert BrokerTopic.objects.filter(pk=mine.pk).exists()
    assert user("me") == me


def test_refuses_without_debug(quickstart: Quickstart, settings: Settings) -> None:
    """Where it may be a real site, nothing is made."""
    settings.DEBUG = False
    before = inventory()
    with pytest.raises(CommandError, match="DEBUG"):
        quickstart()
    assert inventory() == before


@pytest.mark.parametrize("slug", TOPICS)
@pytest.mark.parametrize("arguments", [(), ("--reset",)])
def test_somebody_elses_topic(
    quickstart: Quickstart, make_topic: MakeTopic, slug: str, arguments: tuple[str, ...]
) -> None:
    """A topic that was there before is neither taken over nor removed."""
    make_topic(slug)
    before = inventory()
    with pytest.raises(CommandError, match=slug):
        quickstart(*arguments)
    assert inventory() == before


@pytest.mark.parametrize("arguments", [(), ("--reset",)])
def test_somebody_elses_account(
    quickstart: Quickstart, make_user: MakeUser, arguments: tuple[str, ...]
) -> None:
    """An account that was there before gets no rights."""
    make_user("demo")
    before = inventory()
    with pytest.raises(CommandError, match="demo"):
        quickstart(*arguments)
    assert inventory() == before


def test_an_admin_of_the_host(quickstart: Quickstart, make_user: MakeUser) -> None:
    """An account called admin is left alone, also by a reset."""
    mine = make_user("admin", password="mine")
    said = quickstart() + quickstart("--reset")
    assert "admin     password" not in said
    assert user("admin") == mine
    assert not user("admin").is_superuser
    assert authenticate(username="admin", password="mine") == mine


def test_commands(quickstart: Quickstart) -> None:
    """The commands are valid shell, and carry the token and JSON."""
    said = quickstart("--port", "8123")
    for command in curl_commands(said):
        check_shell(command)
        _, _, url, *rest = shlex.split(command)
        assert url == "http://127.0.0.1:8123/graphql/"
        assert f"Authorization: Bearer {secret(said, 'token')}" in rest
        assert "Content-Type: application/json" in rest
        assert json.loads(rest[-1])["query"]
    assert len(curl_commands(said)) == 4


def test_commands_of_a_later_run(quickstart: Quickstart) -> None:
    """Where the token is not known, the shell fills it in."""
    quickstart()
    said = quickstart()
    assert [line for line in said.splitlines() if line.startswith("export TOKEN=$(")]
    for command in curl_commands(said):
        check_shell(command)
        assert '"Authorization: Bearer $TOKEN"' in command


def test_places(quickstart: Quickstart) -> None:
    """Every URL is shown."""
    said = quickstart("--port", "8123")
    assert "http://127.0.0.1:8123/graphql/" in said
    assert "ws://127.0.0.1:8123/graphql/" in said
    assert "http://127.0.0.1:8123/admin/" in said


def test_no_colours_in_a_file(quickstart: Quickstart) -> None:
    """What is not a terminal gets plain text."""
    assert "\x1b" not in quickstart()


@pytest.mark.parametrize("wrong", ["taken", "too large"])
def test_port(quickstart: Quickstart, wrong: str) -> None:
    """A port that cannot be had is told before anything is made."""
    before = inventory()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if wrong == "taken" else 70_000
        with pytest.raises(CommandError, match=f"Port {port} cannot be used"):
            call_command("quickstart", "--port", str(port))
    assert inventory() == before


def test_memory(tmp_path: Path) -> None:
    """The readings are those of the kernel, or else of this process."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  512 kB\nHugePages: 0\n")
    assert machine.memory(meminfo) == {"total": 2048 * 1024, "available": 512 * 1024}
    assert machine.memory(tmp_path / "nothing")["process"] > 1024 * 1024


def inventory() -> dict[str, int]:
    """Return how many there are of what the command makes."""
    kinds: tuple[Any, ...] = (BrokerTopic, get_user_model(), Group, ApiToken)
    return {kind.__name__: kind._default_manager.count() for kind in kinds}


def user(name: str) -> Any:
    """Return a user."""
    return get_user_model()._default_manager.get(username=name)


def secret(said: str, name: str) -> str:
    """Return a password, or the token, out of what the command says."""
    start = "API token" if name == "token" else rf"{name}\s+password"
    [found] = re.findall(rf"^  {start} (\S+)", said, re.MULTILINE)
    return str(found)


def curl_commands(said: str) -> list[str]:
    """Return the commands that the newcomer is to paste."""
    return [line for line in said.splitlines() if line.startswith("curl ")]


def check_shell(command: str) -> None:
    """Fail unless the command is valid shell."""
    subprocess.run(["bash", "-n", "-c", command], check=True, timeout=10)
