"""The nemesis: causes one fault after the other, in an order from a seed, and records each.

It depends on no process and no service: the possible faults are passed to it as :class:`Fault`
objects.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tests.chaos.harness.history import FaultBegan, FaultEnded, Recorder

#: Seconds of calm before each step: long enough that what happens in it can be told from faults.
CALM: Final = (6.0, 8.0)

#: The same in a short schedule: before its first fault, which must leave time for what only shows
#: in calm, and before the others.
FIRST, SOON = 12.0, 1.5

#: Seconds that the faults of a step last.
LASTS: Final = (1.5, 5.0)

#: How often a second fault comes at the same time.
DOUBLE: Final = 0.25


class Fault(Protocol):
    """Something that can be broken and healed, any number of times."""

    @property
    def name(self) -> str:
        """What the history calls it. ``stop client X`` if it stops the process ``X``."""

    @property
    def victim(self) -> str:
        """What suffers. No two faults strike the same victim at once."""

    async def begin(self) -> None:
        """Break it."""

    async def end(self) -> None:
        """Heal it; return when it works again."""


#: What can be broken: for each kind of fault, one for each possible victim.
FaultsByKind = Mapping[str, Sequence[Fault]]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a schedule: some calm, then faults."""

    calm: float
    faults: tuple[Fault, ...]
    lasts: float


def schedule(seed: int, faults_by_kind: FaultsByKind) -> Iterator[Step]:
    """Yield steps without end; the same ones for the same seed and the same faults.

    Every kind comes before one comes again.
    """
    lot = random.Random(seed)  # noqa: S311 - to be repeated
    while True:
        for kind in lot.sample(sorted(faults_by_kind), len(faults_by_kind)):
            faults = [lot.choice(faults_by_kind[kind])]
            other = lot.choice(faults_by_kind[lot.choice(sorted(faults_by_kind))])
            if lot.random() < DOUBLE and other.victim != faults[0].victim:
                faults.append(other)
            yield Step(lot.uniform(*CALM), tuple(faults), lot.uniform(*LASTS))


def in_order(kinds: Sequence[str], arsenal: FaultsByKind) -> Iterator[Step]:
    """Yield a step for each of these kinds: the first after some calm, the others soon after it."""
    for index, kind in enumerate(kinds):
        yield Step(SOON if index else FIRST, (arsenal[kind][0],), LASTS[0])


class Nemesis:
    """Follows a schedule.

    Parameters
    ----------
    recorder
        Where it writes what it does.
    say
        Is told what happens, for people.
    """

    def __init__(self, recorder: Recorder, say: Callable[[str], None]) -> None:
        self._recorder = recorder
        self._say = say

    async def run(self, steps: Iterator[Step], seconds: float) -> None:
        """Follow the steps for so long; in the end everything is healed."""
        now = asyncio.get_running_loop().time
        deadline = now() + seconds
        for step in steps:
            if now() + step.calm + step.lasts > deadline:
                return
            await asyncio.sleep(step.calm)
            async with asyncio.TaskGroup() as group:
                for fault in step.faults:
                    group.create_task(self._inflict(fault, step.lasts))

    async def _inflict(self, fault: Fault, seconds: float) -> None:
        name = fault.name
        self._say(f"{name}, for {seconds:.1f} s")
        self._recorder.append(FaultBegan(fault=name, details=f"{seconds:.1f} s"))
        try:
            await fault.begin()
            await asyncio.sleep(seconds)
        finally:
            await fault.end()
            self._recorder.append(FaultEnded(fault=name))
