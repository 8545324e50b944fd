"""What the tests of the verbs share: what was announced, and what was signalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.dispatch import Signal

from dasf_broker.domain.events import Event
from dasf_broker.permissions import Right
from dasf_broker.realtime import announcer
from dasf_broker.signals import (
    message_acknowledged,
    message_published,
    topic_pinged,
    topic_ponged,
)

GrantGlobally = Callable[[User | Group, Right], User]
Signalled = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Return the list of what is announced, instead of announcing it."""
    events: list[Event] = []

    def announce(batch: Sequence[Event]) -> None:
        events.extend(batch)

    monkeypatch.setattr(announcer, "announce", announce)
    return events


@pytest.fixture
def signalled() -> Iterator[Signalled]:
    """Return the list of the signals that are sent, each with its name and its values."""
    sent: Signalled = []
    signals = {
        "message_published": message_published,
        "message_acknowledged": message_acknowledged,
        "topic_pinged": topic_pinged,
        "topic_ponged": topic_ponged,
    }
    receivers = [_receiver(name, signal, sent) for name, signal in signals.items()]
    yield sent
    for (_, signal), receiver in zip(signals.items(), receivers, strict=True):
        signal.disconnect(receiver)


@pytest.fixture
def grant_globally(db: None) -> GrantGlobally:
    """Return a function that gives a user or a group a right on all topics."""

    def give(holder: User | Group, right: Right) -> Any:
        permission = Permission.objects.get(codename=right, content_type__app_label="dasf_broker")
        if isinstance(holder, Group):
            holder.permissions.add(permission)
        else:
            holder.user_permissions.add(permission)
        return holder

    return give


def _receiver(name: str, signal: Signal, sent: Signalled) -> Callable[..., None]:
    def receive(**values: Any) -> None:
        values.pop("signal")
        sent.append((name, values))

    signal.connect(receive, weak=False)
    return receive
