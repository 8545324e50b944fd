"""What can vouch for a caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class CredentialKind(Enum):
    """The kinds of credentials."""

    #: A token of ours, by primary key.
    TOKEN = auto()
    #: A token of Django REST Framework, by its key.
    DRF_TOKEN = auto()
    #: A Django session, by its key.
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Credential:
    """What vouched for a caller, to be looked at again later."""

    kind: CredentialKind
    key: Any = field(repr=False)
