"""The paths at which a host has views of the broker, below the name of the script.

What answers beside Django, as websockets do, answers wherever the host's URLs have the view: behind
any prefix, in each language of ``i18n_patterns``, and more than once.

It does not use `resolve`, which calls the converters of the host's paths: these may query the
database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import LocalePrefixPattern, RoutePattern
from django.utils.translation import override

#: The patterns that lead to a view: of each ``include``, and its own.
Chain: TypeAlias = tuple[Any, ...]


class UrlPaths:
    """The paths of some views of the host's URLs.

    Parameters
    ----------
    is_wanted
        Tells the views apart.
    """

    def __init__(self, is_wanted: Callable[[URLPattern], bool]) -> None:
        chains = [*_chains(get_resolver().url_patterns, is_wanted)]
        split = {_split(chain) for _ in _languages() for chain in chains}
        self._exact = frozenset(f"/{text}" for text, rest in split if not rest)
        self._others = tuple((f"/{text}", rest) for text, rest in split if rest)
        self._beginnings = tuple(text for text, _ in self._others)

    def __bool__(self) -> bool:
        return bool(self._exact or self._others)

    def __contains__(self, path: Any) -> bool:
        if path in self._exact:
            return True
        return path.startswith(self._beginnings) and any(
            _leads_on(path[len(text) :], rest)
            for text, rest in self._others
            if path.startswith(text)
        )


def path_below_script(scope: Mapping[str, Any]) -> str:
    """Return the path of a request without the name of the script, if it begins with that."""
    path: str = scope["path"]
    name = get_script_prefix(scope).rstrip("/")
    return path.removeprefix(name) if path.startswith(f"{name}/") else path


def _chains(
    patterns: Iterable[Any], is_wanted: Callable[[URLPattern], bool], before: Chain = ()
) -> Iterator[Chain]:
    for each in patterns:
        if isinstance(each, URLPattern):
            if is_wanted(each):
                yield (*before, each.pattern)
        elif isinstance(each, URLResolver) and each.pattern not in before:  # URLs may be recursive
            yield from _chains(each.url_patterns, is_wanted, (*before, each.pattern))


def _languages() -> Iterator[None]:
    """Switch to each language in turn: prefixes and translated routes depend on it."""
    codes = [code for code, _ in settings.LANGUAGES] if settings.USE_I18N else []
    for code in dict.fromkeys([settings.LANGUAGE_CODE, *codes]):
        with override(code):
            yield


def _split(chain: Chain) -> tuple[str, tuple[re.Pattern[str], ...]]:
    """Return the text that the paths begin with, and what they match after it."""
    text = ""
    for number, pattern in enumerate(chain):
        if (more := _text(pattern)) is None:
            return text, tuple(each.regex for each in chain[number:])
        text += more
    return text, ()


def _text(pattern: Any) -> str | None:
    if isinstance(pattern, LocalePrefixPattern):
        return pattern.language_prefix
    is_text = isinstance(pattern, RoutePattern) and not pattern.converters
    return str(pattern._route) if is_text else None


def _leads_on(path: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    for pattern in patterns:
        # As Django does: `$` alone would match before a line break, too.
        find = pattern.fullmatch if pattern.pattern.endswith("$") else pattern.search
        if (match := find(path)) is None:
            return False
        path = path[match.end() :]
    return True
