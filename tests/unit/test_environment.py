"""Environment variables: each value is understood, or refused by a sentence that names it."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from testproject import environment

SETTINGS = str(Path(environment.__file__).with_name("settings.py"))
NAME = "SOMETHING"

#: What an environment can contain.
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)

YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off", "")


def read(function: Callable[..., Any], value: str | None, *args: Any, **options: Any) -> Any:
    """Read a variable that has this value."""
    with pytest.MonkeyPatch.context() as patch:
        if value is None:
            patch.delenv(NAME, raising=False)
        else:
            patch.setenv(NAME, value)
        return function(NAME, *args, **options)


def refusal(function: Callable[..., Any], value: str, *args: Any, **options: Any) -> str:
    """Read a variable that is refused; return the sentence."""
    with pytest.raises(ImproperlyConfigured) as caught:
        read(function, value, *args, **options)
    sentence = str(caught.value)
    assert sentence.startswith(f"{NAME}=")
    assert sentence.endswith(".")
    return sentence


def in_any_case(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return these words in any case, with blanks around."""
    cased = st.sampled_from(words).flatmap(
        lambda word: st.tuples(*[st.sampled_from((each, each.upper())) for each in word])
    )
    blanks = st.text(" \t", max_size=2)
    return st.tuples(blanks, cased.map("".join), blanks).map("".join)


@given(in_any_case(YES), in_any_case(NO), st.booleans())
def test_yes_and_no(yes: str, no: str, default: bool) -> None:
    """In all usual words; an empty variable means no, however the default is."""
    assert read(environment.yes_or_no, yes, default=default) is True
    assert read(environment.yes_or_no, no, default=default) is False
    assert read(environment.yes_or_no, None, default=default) is default


@given(texts.filter(lambda text: text.strip().lower() not in YES + NO))
def test_neither_yes_nor_no(value: str) -> None:
    """Anything else is nothing that may be guessed."""
    assert repr(value) in refusal(environment.yes_or_no, value, default=True)


@given(st.integers(1, 10**18 - 1), st.integers(1, 9))
def test_numbers(number: int, default: int) -> None:
    """Whole numbers from 1, and the default for none."""
    assert read(environment.number, f" {number} ", default) == number
    assert read(environment.number, None, default) == default
    assert read(environment.number, "", default) == default


@given(
    texts.filter(lambda text: text and not re.fullmatch("[0-9]*", text.strip()))
    | st.integers(max_value=0).map(str)
    | st.sampled_from(["1_000", "1e3", "1.0", "٣", "0x10", " ", "9" * 19])
)
def test_other_than_numbers(value: str) -> None:
    """No sign, no fraction, and no digits of other scripts."""
    assert repr(value.strip()) in refusal(environment.number, value, 7)


@given(st.decimals(min_value="0.001", max_value=10**6, places=3))
def test_seconds(number: Any) -> None:
    """With a fraction or without."""
    assert read(environment.seconds, str(number), 1) == float(number)
    assert read(environment.seconds, None, 2.5) == 2.5


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "1e9999", "0.0", "soon", "1,5"])
def test_no_seconds(value: str) -> None:
    """Nothing that would never end, and nothing that would end at once."""
    assert repr(value) in refusal(environment.seconds, value, 30)


@given(st.lists(texts.map(lambda text: text.replace(",", "").strip())))
def test_words(parts: list[str]) -> None:
    """Blanks around and empty parts are nothing."""
    expected = [part for part in parts if part]
    assert read(environment.words, " ,\t".join(parts)) == expected
    assert read(environment.words, None, "a, b") == ["a", "b"]


def test_folders(tmp_path: Path) -> None:
    """A folder is made, with those above it; a file is none."""
    wanted = tmp_path / "a" / "b"
    assert read(environment.folder, str(wanted), tmp_path) == wanted
    assert wanted.is_dir()
    assert read(environment.folder, "", tmp_path) == tmp_path
    (tmp_path / "file").touch()
    assert "file" in refusal(environment.folder, str(tmp_path / "file"), tmp_path)
    assert "file" in refusal(environment.folder, str(tmp_path / "file" / "below"), tmp_path)


OURS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": 8},
    "postgresql": {"options": "-c a=1", "connect_timeout": 5},
}


@pytest.mark.parametrize(
    ("url", "engine", "name", "options"),
    [
        ("sqlite:///db.sqlite3", "sqlite3", "db.sqlite3", {"timeout": 8}),
        ("sqlite:////srv/db.sqlite3", "sqlite3", "/srv/db.sqlite3", {"timeout": 8}),
        ("sqlite:///db.sqlite3?timeout=20", "sqlite3", "db.sqlite3", {"timeout": 20}),
        ("postgres://a:b@h/site", "postgresql", "site", OURS["postgresql"]),
        (
            "postgresql://a:b@h:5433/site?sslmode=require&connect_timeout=9",
            "postgresql",
            "site",
            {"options": "-c a=1", "connect_timeout": 9, "sslmode": "require"},
        ),
        (
            "postgres://a:b@h/site?currentSchema=other",
            "postgresql",
            "site",
            {"options": "-c a=1 -c search_path=other", "connect_timeout": 5},
        ),
        ("postgres://?service=x", "postgresql", "", {**OURS["postgresql"], "service": "x"}),
    ],
)
def test_databases(url: str, engine: str, name: str, options: dict[str, Any]) -> None:
    """Each kind has the options of its kind, and keeps those of its URL."""
    found = read(environment.database, url, **OURS)
    assert found["ENGINE"] == f"django.db.backends.{engine}"
    assert (found["NAME"], found["OPTIONS"]) == (name, options)


@pytest.mark.parametrize("value", [None, "", " "])
@pytest.mark.parametrize("function", [environment.database, environment.redis])
def test_no_url(function: Callable[..., Any], value: str | None) -> None:
    """Then the defaults of the settings count."""
    assert read(function, value) is None


@pytest.mark.parametrize(
    "url",
    [
        "db.sqlite3",
        "sqlite://",
        "sqlite:///",
        "sqlite://:memory:",
        "sqlite:///:memory:",
        "sqlite://folder/db.sqlite3",
        "mysql://ada:secret@h/site",
        "oracle://ada:secret@h:1/site",
        "postgres://ada:secret@h",
        "postgres://ada:secret@h:port/site",
        "postgres://ada:sec/ret@h/site",
        "postgres://[ada:secret@h/site",
        "ada:secret@h/site",
    ],
)
def test_other_than_databases(url: str) -> None:
    """The sentence shows of which kind the URL is, and no password."""
    assert "secret" not in (sentence := refusal(environment.database, url))
    assert "sec/ret" not in sentence


@given(texts, st.sampled_from(["", "sqlite", "postgres", "mysql", "redis", "unix", "http"]))
def test_any_url(rest: str, scheme: str) -> None:
    """It is understood, or refused by a sentence."""
    for function in (environment.database, environment.redis):
        sentence = ""
        try:
            read(function, f"{scheme}://{rest}")
        except ImproperlyConfigured as refused:
            sentence = str(refused)
        assert not sentence or sentence.startswith(f"{NAME}='{scheme}://...': ")


@pytest.mark.parametrize(
    "url",
    ["redis://h", "redis://:key@h:6379/0", "rediss://a:b@h/12", "unix:///tmp/redis.sock?db=1"],
)
def test_redis(url: str) -> None:
    """All kinds of addresses that channels-redis understands."""
    assert read(environment.redis, url) == url


@pytest.mark.parametrize(
    "url", ["h:6379", "http://:secret@h", "redis://h:port", "redis://h/zero", "redis://h:99999"]
)
def test_other_than_redis(url: str) -> None:
    """The client would take a database that is no number for 0, silently."""
    assert "secret" not in refusal(environment.redis, url)


def test_an_empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables that are there and empty, as Compose files make them, change nothing but DEBUG."""
    for name in ("DATABASE_URL", "REDIS_URL", "REDIS_CAPACITY", "ALLOWED_HOSTS", "DEBUG"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DASF_VAR", str(tmp_path))
    monkeypatch.setenv("SECRET_KEY", "a secret")
    found = runpy.run_path(SETTINGS)
    assert (found["DEBUG"], found["ALLOWED_HOSTS"]) == (False, [])
    assert found["DATABASES"]["default"]["NAME"] == tmp_path / "db.sqlite3"
    assert found["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"


def test_settings_of_an_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SQLite by a URL keeps what makes it safe, and words are yes and no."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite3")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1/3")
    monkeypatch.setenv("DEBUG", "true")
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example")
    found = runpy.run_path(SETTINGS)
    assert found["DEBUG"] is True
    assert found["ALLOWED_HOSTS"] == ["a.example", "b.example"]
    database = found["DATABASES"]["default"]
    assert database["NAME"] == f"{tmp_path}/other.sqlite3"
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "pool" not in database["OPTIONS"]
    [host] = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    assert host == {"address": "redis://127.0.0.1/3", "socket_timeout": None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("DATABASE_URL", "mysql://a:b@h/site"),
        ("REDIS_CAPACITY", "many"),
        ("REDIS_URL", "localhost"),
    ],
)
def test_wrong_settings(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which variable it is."""
    monkeypatch.setenv("REDIS_URL", "redis://h")
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{name}="):
        runpy.run_path(SETTINGS)
