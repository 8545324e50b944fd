"""The commands `export_schema` and `dasf_token`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from dasf_broker.models import ApiToken
from dasf_broker.schema import schema
from tests.tokens import token_owner


def test_schema_is_printed() -> None:
    """Without a path the schema goes to the terminal."""
    assert _run("export_schema") == schema.as_str() + "\n"


def test_schema_is_written(tmp_path: Path) -> None:
    """With a path it goes into the file, and the check then passes."""
    path = tmp_path / "schema.graphql"
    _run("export_schema", str(path))
    assert path.read_text(encoding="utf-8") == schema.as_str() + "\n"
    assert "up to date" in _run("export_schema", str(path), "--check")


@pytest.mark.parametrize("content", [None, "", "type Query { a: Int }\n"])
def test_stale_schema_fails_the_check(tmp_path: Path, content: str | None) -> None:
    """A file that is missing or says otherwise fails, and stays as it is."""
    path = tmp_path / "schema.graphql"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(CommandError, match="stale"):
        _run("export_schema", str(path), "--check")
    assert (path.read_text(encoding="utf-8") if path.exists() else None) == content


def test_key_is_the_last_line(stranger: User) -> None:
    """The key stands alone on standard output, and lets its user in."""
    out, err = StringIO(), StringIO()
    call_command("dasf_token", "stranger", "--label", "laptop", stdout=out, stderr=err)
    [key] = out.getvalue().splitlines()
    assert token_owner(key) == stranger
    assert key not in err.getvalue()
    token = ApiToken.objects.get()
    assert (token.label, token.expires) == ("laptop", None)
    assert key not in (token.prefix, token.digest)


def test_token_expires(stranger: User) -> None:
    """With `--days` it counts for so many days."""
    before = timezone.now()
    key = _run("dasf_token", "stranger", "--days", "3").strip()
    token = ApiToken.objects.get()
    assert token.expires is not None
    assert before <= token.expires - timedelta(days=3) <= timezone.now()
    ApiToken.objects.update(expires=before - timedelta(seconds=1))
    assert token_owner(key) is None


@pytest.mark.parametrize("days", ["0", "-1", "x", "9999999999"])
def test_days_that_are_none(stranger: User, days: str) -> None:
    """A number of days is a number, at least one, and within the calendar."""
    with pytest.raises(CommandError):
        _run("dasf_token", "stranger", f"--days={days}")
    assert not ApiToken.objects.exists()


@pytest.mark.django_db
def test_unknown_user() -> None:
    """There must be such a user."""
    with pytest.raises(CommandError, match="'nobody'"):
        _run("dasf_token", "nobody")


def _run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out, stderr=StringIO())
    return out.getvalue()
