"""The nemesis: the same seed breaks the same things, and everything is healed in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos.harness.history import FaultBegan, FaultEnded, Recorder, read_histories
from tests.chaos.harness.nemesis import (
    CALM,
    LASTS,
    FaultsByKind,
    Nemesis,
    Step,
    in_order,
    schedule,
)

ARSENAL_SIZE = 4


@dataclass
class Spoon:
    """A fault that bends."""

    name: str
    victim: str
    log: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Bend."""
        self.log.append("begin")

    async def end(self) -> None:
        """Straighten."""
        self.log.append("end")


@pytest.fixture
def faults_by_kind() -> FaultsByKind:
    """Return faults of several kinds, with two victims each."""
    return {
        f"kind {kind}": [Spoon(f"bend {kind} of {victim}", victim) for victim in ("one", "two")]
        for kind in range(ARSENAL_SIZE)
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_is_a_schedule(seed: int, faults_by_kind: FaultsByKind) -> None:
    """The same seed gives the same steps, another one others."""
    steps = _steps(seed, faults_by_kind)
    assert steps == _steps(seed, faults_by_kind)
    assert steps != _steps(seed + 1, faults_by_kind)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_comes(seed: int, faults_by_kind: FaultsByKind) -> None:
    """All kinds come before one comes again, with calm in between, no victim struck twice."""
    steps = _steps(seed, faults_by_kind)
    for begin in range(0, len(steps), ARSENAL_SIZE):
        kinds = {each.faults[0].name[:6] for each in steps[begin : begin + ARSENAL_SIZE]}
        assert len(kinds) == ARSENAL_SIZE
    for step in steps:
        assert CALM[0] <= step.calm <= CALM[1]
        assert LASTS[0] <= step.lasts <= LASTS[1]
        victims = [fault.victim for fault in step.faults]
        assert len(victims) == len(set(victims))
    assert any(len(step.faults) > 1 for step in steps)


def test_kinds_in_order(faults_by_kind: FaultsByKind) -> None:
    """Each kind comes once, as it was asked for; something is usual before the first."""
    first, *others = in_order(["kind 2", "kind 0", "kind 1"], faults_by_kind)
    assert [step.faults[0].name[:6] for step in (first, *others)] == ["bend 2", "bend 0", "bend 1"]
    assert first.calm > max(step.calm for step in others)


async def test_the_nemesis_writes_what_it_does(tmp_path: Path) -> None:
    """Each fault begins and ends, in the history and for the victim; then the time is over."""
    spoon = Spoon("bend", "spoon")
    said: list[str] = []
    with Recorder(tmp_path / "nemesis.jsonl", "nemesis") as recorder:
        steps = [Step(0.01, (spoon,), 0.01)] * 2 + [Step(3600, (spoon,), 0.01)]
        await Nemesis(recorder, said.append).run(iter(steps), 60)
    assert [type(each) for each in read_histories(tmp_path)] == [FaultBegan, FaultEnded] * 2
    assert spoon.log == ["begin", "end"] * 2
    assert len(said) == 2


async def test_a_fault_that_fails_is_healed(tmp_path: Path) -> None:
    """What cannot be broken ends the run, but not before it is healed."""

    class Stubborn(Spoon):
        async def begin(self) -> None:
            raise RuntimeError

    spoon = Stubborn("bend", "spoon")
    said: list[str] = []
    with (
        Recorder(tmp_path / "nemesis.jsonl", "nemesis") as recorder,
        pytest.raises(ExceptionGroup),
    ):
        await Nemesis(recorder, said.append).run(iter([Step(0, (spoon,), 0.01)]), 60)
    assert spoon.log == ["end"]


def _steps(seed: int, faults_by_kind: FaultsByKind) -> list[Step]:
    return list(islice(schedule(seed, faults_by_kind), 10 * ARSENAL_SIZE))
