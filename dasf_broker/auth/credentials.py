"""The credentials of callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class CredentialKind(Enum):
    """The kinds of credentials."""

    #: A token of the broker, by primary key.
    TOKEN = auto()
    #: A token of Django REST Framework, by its key.
    DRF_TOKEN = auto()
    #: A Django session, by its key.
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential that identified a caller, kept so that it can be checked again."""

    kind: CredentialKind
    key: Any = field(repr=False)
