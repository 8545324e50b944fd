"""Messages to publish. Their outcomes are in :mod:`dasf_broker.domain.publishing`."""

from __future__ import annotations

from dataclasses import dataclass

from dasf_broker.domain.envelope import Envelope
from dasf_broker.operations.caller import Caller


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that a caller wants to publish to a topic."""

    caller: Caller
    slug: str
    envelope: Envelope
    #: Whether it counts for the caller's rates, and the topics that it creates for their bound.
    #: The host's own code is not counted.
    is_limited: bool = True
