"""Origins of web pages: scheme, host and port, as browsers send them in ``Origin``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

#: Stands for every origin in a list.
ANY = "*"

#: Longest text that can be an origin: a name of a host has up to 253 characters.
MAX_LENGTH = 300

_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_WILDCARD = "://*."


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a page. Two are equal if scheme, host and port are; default ports count."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the origin in a text; ``None`` if it is anything else than exactly one origin.

        ``null``, which browsers send for pages without an origin, is none.
        """
        found = _ORIGIN.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            return None
        scheme, host, port = found[1].lower(), found[2].lower(), found[3]
        number = _PORTS.get(scheme) if port is None else int(port)
        return None if number is not None and number > _MAX_PORT else cls(scheme, host, number)

    def is_below(self, other: Origin) -> bool:
        """Tell whether the host is that of the other origin or a subdomain of it."""
        is_same = (self.scheme, self.port) == (other.scheme, other.port)
        return is_same and (self.host == other.host or self.host.endswith(f".{other.host}"))


@dataclass(frozen=True, slots=True)
class OriginList:
    """A list of origins, such as ``https://app.example.org`` or ``https://*.example.org``.

    As in Django's ``CSRF_TRUSTED_ORIGINS``, the second stands for ``https://example.org``, too.
    """

    exact: frozenset[Origin]
    wildcards: tuple[Origin, ...]
    #: Whether ``*`` is in the list.
    has_any: bool

    @staticmethod
    def of(entries: Iterable[str]) -> OriginList:
        """Return the list of some entries; what is not an entry matches nothing."""
        return _read(tuple(entries))

    def names(self, origin: Origin) -> bool:
        """Tell whether an entry names the origin; ``*`` names none."""
        return origin in self.exact or any(origin.is_below(each) for each in self.wildcards)


@lru_cache(maxsize=16)
def _read(entries: tuple[str, ...]) -> OriginList:
    exact, wildcards = set(), []
    for entry in entries:
        if (origin := Origin.parse(_without_wildcard(entry))) is None:
            continue
        if _WILDCARD in entry:
            wildcards.append(origin)
        else:
            exact.add(origin)
    return OriginList(frozenset(exact), tuple(wildcards), ANY in entries)


def fault_of(entry: str) -> str | None:
    """Return what is wrong with an entry of a list of origins, and what to write; or ``None``."""
    if entry == ANY or Origin.parse(_without_wildcard(entry)) is not None:
        return None
    shown = entry[:MAX_LENGTH]
    scheme, separator, rest = shown.partition("://")
    guess = f"{scheme}://{rest.partition('/')[0]}" if separator else f"https://{shown}"
    hint = f', like "{guess}"' if Origin.parse(_without_wildcard(guess)) is not None else ""
    return (
        f"{shown!r} is not an origin: write scheme and host, and a port that is not the default, "
        f"without a path{hint}"
    )


def _without_wildcard(entry: str) -> str:
    return entry.replace(_WILDCARD, "://", 1)
