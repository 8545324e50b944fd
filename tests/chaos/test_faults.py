"""Faults inside a server: a channel layer that misbehaves, and a clock that jumps."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.harness.faults import FRESH, FaultFile, Faults, FaultyChannelLayer

COUNT = 20

CLOCK = """
import sys, time
from pathlib import Path
from tests.chaos.harness.faults import move_clock
before, steady = time.time(), time.monotonic()
move_clock(Path(sys.argv[1]))
from django.utils import timezone
print(time.time() - before, timezone.now().timestamp() - before, time.monotonic() - steady)
"""


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """Return where the faults are written."""
    return tmp_path / "faults.json"


def test_no_file_is_no_fault(control: Path) -> None:
    """Where nobody wrote anything, nothing goes wrong."""
    assert FaultFile(control).read() == Faults()


def test_faults_change_while_they_are_read(control: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written counts a moment later, and what is removed no more."""
    file = FaultFile(control)
    moments = iter(range(10))
    monkeypatch.setattr("time.monotonic", lambda: next(moments) * 2 * FRESH)
    for faults in (Faults(drop=1.0), Faults(clock=60.0)):
        faults.write(control)
        assert file.read() == faults
    control.unlink()
    assert file.read() == Faults()


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(), list(range(COUNT))),
        (Faults(drop=1.0), []),
        (Faults(duplicate=1.0), [number for number in range(COUNT) for _ in range(2)]),
    ],
)
async def test_announcements(faults: Faults, expected: list[int], control: Path) -> None:
    """They arrive in order, not at all, or twice."""
    faults.write(control)
    async with aclosing(_sent(control)) as arrived:
        assert [number async for number in arrived] == expected


@pytest.mark.parametrize("faults", [Faults(delay=1.0, lag=0.2), Faults(reorder=1.0)])
async def test_late_announcements(faults: Faults, control: Path) -> None:
    """They all arrive, but some are overtaken."""
    faults.write(control)
    async with aclosing(_sent(control, late=True)) as arrived:
        numbers = [number async for number in arrived]
    assert sorted(numbers) == list(range(COUNT))
    assert numbers != sorted(numbers)


async def test_a_late_announcement_may_fail(control: Path) -> None:
    """A layer that breaks meanwhile loses what is late, and nothing else happens."""
    Faults(delay=1.0, lag=0.01).write(control)
    layer = _layer(control)
    layer._layer.group_send = _fail
    await layer.group_send("group", {"type": "test"})
    await asyncio.gather(*layer._late)
    assert not layer._late


def test_the_clock_jumps(control: Path) -> None:
    """Wall clocks are ahead, clocks that cannot be set are not."""
    Faults(clock=7200.0).write(control)
    done = subprocess.run(
        [sys.executable, "-c", CLOCK, control], capture_output=True, text=True, check=True
    )
    clock, django, steady = map(float, done.stdout.split())
    assert clock == pytest.approx(7200, abs=60)
    assert django == pytest.approx(7200, abs=60)
    assert steady < 60


def _layer(control: Path) -> FaultyChannelLayer:
    return FaultyChannelLayer({"BACKEND": "channels.layers.InMemoryChannelLayer"}, control)


async def _sent(control: Path, *, late: bool = False) -> AsyncGenerator[int, None]:
    """Send numbers to a group with one member; yield what arrives."""
    layer = _layer(control)
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    for number in range(COUNT):
        await layer.group_send("group", {"type": "test", "number": number})
    if late:
        assert len(layer._late) == COUNT
        await asyncio.gather(*layer._late)
    await layer._layer.send(channel, {"type": "test", "number": None})
    while (message := await layer.receive(channel))["number"] is not None:
        yield message["number"]


async def _fail(*_: Any) -> None:
    raise ConnectionError
