"""The rules for slugs, the names of topics."""

from __future__ import annotations

import re

from dasf_broker.domain.texts import shown
from dasf_broker.exceptions import BadInputError

#: Longest slug of a topic, in characters.
MAX_SLUG_LENGTH = 128

#: The address of the DASF socket for answers to pings, which is where the producers of a topic with
#: this name would connect.
STATUS_PING = "status-ping"

_SLUG = re.compile(r"[-a-zA-Z0-9_]+")


def is_slug(text: str) -> bool:
    """Tell whether ``text`` may name a topic."""
    # fullmatch, because `$` would let a trailing newline through.
    return len(text) <= MAX_SLUG_LENGTH and _SLUG.fullmatch(text) is not None


def is_derived(slug: str, source: str) -> bool:
    """Tell whether a new response topic of ``source`` may have this name, whatever there is.

    It is the name of its topic, an underscore or hyphen, and more: ``weather_kWzPqXbT``, as
    ``demessaging`` chooses it.
    """
    return len(slug) > len(source) + 1 and slug.startswith((f"{source}_", f"{source}-"))


def check_slug(slug: str, *, field: str = "topic") -> str:
    """Return ``slug`` if it may name a topic.

    Parameters
    ----------
    slug
        Letters, digits, hyphens and underscores (Django's slug characters), 1 to 128 of them.
    field
        The input field to name in the error.

    Raises
    ------
    BadInputError
        Other characters, empty, or too long.
    """
    if len(slug) > MAX_SLUG_LENGTH:
        raise BadInputError(
            f"A topic slug has at most {MAX_SLUG_LENGTH} characters; {shown(slug)} has "
            f"{len(slug)}.",
            field=field,
        )
    if not is_slug(slug):
        raise BadInputError(
            f"{slug!r} is not a topic slug: use letters, digits, hyphens and underscores.",
            field=field,
        )
    return slug


def check_new_slug(slug: str, *, field: str = "topic") -> str:
    """Return ``slug`` if a new topic may have it.

    Parameters
    ----------
    field
        The input field to name in the error.

    Raises
    ------
    BadInputError
        As :func:`check_slug`; or the DASF protocol uses it for something else.
    """
    if check_slug(slug, field=field) == STATUS_PING:
        raise BadInputError(
            f"A topic cannot be called {slug!r}: the DASF protocol has its answers to pings under "
            "this name. Choose another one.",
            field=field,
        )
    return slug
