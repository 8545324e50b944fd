"""The media types that a client accepts, read from a bounded part of its header.

Not with Django's ``MediaType``: it raises an error for some parameters, and looks charsets up, of
which Python remembers each unknown one for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from django.http import HttpRequest

from dasf_broker.transports.connection.headers import read_parameters

EVENT_STREAM = "text/event-stream"
HTML = "text/html"
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

#: Most characters of ``Accept`` that are read; types behind them are ignored. Browsers send 150.
MAX_LENGTH = 1024


def prefers_events(request: HttpRequest) -> bool:
    """Tell whether a client prefers events to a single answer.

    urql and other clients accept events, too, but prefer a single answer.
    """
    quality = _qualities(_header(request))
    return quality.get(EVENT_STREAM, 0) > max(quality.get(JSON, 0), quality.get(GRAPHQL_JSON, 0))


def accepts_graphql_json(request: HttpRequest) -> bool:
    """Tell whether a client prefers the media type of GraphQL to plain JSON."""
    # Only if it is named: `*/*` comes from clients that do not know the newer type.
    quality = _qualities(_header(request))
    return 0 < quality.get(GRAPHQL_JSON, 0) >= quality.get(JSON, 0)


def accepts_html(request: HttpRequest) -> bool:
    """Tell whether a client accepts a page."""
    return any(
        each.name in (HTML, "text/*", "*/*") and not each.is_special
        for each in _types(_header(request))
    )


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A media type, or several with ``*``."""

    name: str
    quality: float
    #: Whether it has parameters, so that it is not the type that is sent.
    is_special: bool

    @classmethod
    def read(cls, entry: str) -> _Accepted:
        name, parameters = read_parameters(entry)
        quality = parameters.pop("q", "1")
        return cls(name, _quality(quality), bool(parameters))

    @property
    def specificity(self) -> int:
        """How much the type says: anything, any of a kind, one type, one with parameters."""
        return 2 - self.name.count("*") + (self.is_special and "*" not in self.name)


def _header(request: HttpRequest) -> str:
    text: str = request.headers.get("accept", "*/*")
    if len(text) <= MAX_LENGTH:
        return text
    return text[:MAX_LENGTH].rpartition(",")[0]  # without the type that was cut


@lru_cache(maxsize=64)
def _types(text: str) -> tuple[_Accepted, ...]:
    """Return the accepted types in order of preference, as Django does."""
    types = [_Accepted.read(each) for each in text.split(",") if each.strip()]
    accepted = [each for each in types if each.quality > 0]
    return tuple(sorted(accepted, key=attrgetter("quality", "specificity"), reverse=True))


def _qualities(text: str) -> dict[str, float]:
    # Without the parameters: `;charset=utf-8` is no other type.
    return {each.name: each.quality for each in _types(text)}


def _quality(text: str) -> float:
    try:
        quality = float(text) if text.isascii() else 1
    except ValueError:
        return 1
    return round(quality, 3) if 0 <= quality <= 1 else 1
