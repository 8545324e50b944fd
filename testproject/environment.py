"""Read environment variables: what cannot be used is refused, and the refusal names the variable.

An empty variable counts as one that is not set; only for :func:`yes_or_no` it means no. The values
of URLs are never shown, because they may contain passwords.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})

_SQLITE, _POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"


def text(name: str, default: str = "") -> str:
    """Return a text."""
    return os.environ.get(name) or default


def yes_or_no(name: str, *, default: bool) -> bool:
    """Return whether something is wanted.

    Raises
    ------
    ImproperlyConfigured
        The variable says neither yes nor no.
    """
    given = os.environ.get(name)
    if given is None:
        return default
    if (word := given.strip().lower()) not in _YES | _NO:
        raise _refused(name, given, "say 1, true, yes or on, or else 0, false, no or off")
    return word in _YES


def number(name: str, default: int) -> int:
    """Return a whole number from 1.

    Raises
    ------
    ImproperlyConfigured
        The variable is no such number.
    """
    given = text(name, str(default)).strip()
    if not re.fullmatch("[0-9]{1,18}", given) or int(given) < 1:
        raise _refused(name, given, "give a whole number from 1, in digits")
    return int(given)


def seconds(name: str, default: float) -> float:
    """Return a number of seconds, above 0.

    Raises
    ------
    ImproperlyConfigured
        The variable is no such number.
    """
    given = text(name, str(default)).strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", given) or float(given) <= 0:
        raise _refused(name, given, "give a number of seconds above 0, like 2.5")
    return float(given)


def words(name: str, default: str = "") -> list[str]:
    """Return the parts of a list with commas, without blanks and without empty ones."""
    parts = [part.strip() for part in text(name, default).split(",")]
    return [part for part in parts if part]


def folder(name: str, default: Path) -> Path:
    """Return a folder, which is made if it is not there.

    Raises
    ------
    ImproperlyConfigured
        There can be no folder of this name.
    """
    path = Path(text(name, str(default)))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(name, str(path), f"it cannot be a folder: {error.strerror}") from None
    return path


def database(
    name: str,
    *,
    sqlite: Mapping[str, Any] | None = None,
    postgresql: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Return the settings of a database by its URL; ``None`` if there is no URL.

    Options in the URL count before those that are given here.

    Parameters
    ----------
    name
        The variable that has the URL.
    sqlite, postgresql
        The ``OPTIONS`` of such a database.

    Raises
    ------
    ImproperlyConfigured
        The URL is not understood, or is of another kind of database.
    """
    if not (url := text(name).strip()):
        return None
    try:
        parsed: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError as error:
        raise _refused_url(name, url, str(error).rstrip(".")) from None
    if (reason := _fault_of(parsed)) is not None:
        raise _refused_url(name, url, reason)
    ours = (sqlite if parsed["ENGINE"] == _SQLITE else postgresql) or {}
    return parsed | {"OPTIONS": _merged(ours, parsed.get("OPTIONS", {}))}


def redis(name: str) -> str | None:
    """Return the URL of a Redis database; ``None`` if there is no URL.

    Raises
    ------
    ImproperlyConfigured
        The URL is not understood.
    """
    if not (url := text(name).strip()):
        return None
    try:
        parsed = urlsplit(url)
        is_understood = parsed.scheme == "unix" or (
            parsed.scheme in {"redis", "rediss"}
            and re.fullmatch("(/[0-9]{0,9})?", parsed.path) is not None
            and parsed.port != 0
        )
    except ValueError:
        is_understood = False
    if not is_understood:
        raise _refused_url(name, url, "use redis://HOST:6379/0, rediss://... or unix://PATH")
    return url


def _fault_of(parsed: Mapping[str, Any]) -> str | None:
    if parsed["ENGINE"] == _SQLITE:
        if parsed.get("HOST"):
            return "a file has three slashes, sqlite:///FILE, and four from the root"
        if parsed["NAME"] == ":memory:":  # where each thread has a database of its own
            return "name a file, sqlite:///FILE: the threads of a server share no memory"
    elif parsed["ENGINE"] != _POSTGRESQL:
        return "use sqlite:///FILE or postgres://USER:PASSWORD@HOST/NAME"
    elif not parsed["NAME"] and "service" not in parsed.get("OPTIONS", {}):
        return "name a database, postgres://USER:PASSWORD@HOST/NAME"
    return None


def _merged(ours: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Add the options of a URL to ours; those of PostgreSQL's command line are all kept."""
    both = [str(each["options"]) for each in (ours, given) if "options" in each]
    return {**ours, **given, **({"options": " ".join(both)} if both else {})}


def _refused_url(name: str, url: str, reason: str) -> ImproperlyConfigured:
    scheme, mark, _ = url.partition("://")
    return _refused(name, f"{scheme}://..." if mark else "...", reason)


def _refused(name: str, value: str, reason: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={value!r}: {reason}.")
