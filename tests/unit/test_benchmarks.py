"""The benchmarks themselves: what they check is checked, and what they write is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import baseline, hotspots
from benchmarks.harness.report import Figure, Ratio, Report, pairwise
from benchmarks.load.fanout import DeliveryChecker
from benchmarks.load.websocket import read_frame


async def test_lost_order() -> None:
    """A frame that differs from what the others got is noticed."""
    checker = DeliveryChecker(subscribers=2, window=1)
    payload = checker.new_message().frame()
    checker.learn(0, payload, payload)
    with pytest.raises(ValueError, match="Not what the others got"):
        checker.learn(0, b"other", b"other")


async def test_wrong_content() -> None:
    """A message that is not as it was published is noticed."""
    checker = DeliveryChecker(subscribers=1, window=1)
    payload = checker.new_message().frame().replace(b"Sylt", b"Amrum", 1)
    with pytest.raises(ValueError, match="Not what was published"):
        checker.learn(0, payload, payload)


async def test_twice() -> None:
    """A message that comes a second time is noticed."""
    checker = DeliveryChecker(subscribers=1, window=2)
    payload = checker.new_message().frame()
    checker.learn(0, payload, payload)
    with pytest.raises(KeyError):
        checker.learn(1, payload, payload)


async def test_window() -> None:
    """Publishers wait until what is under way was delivered to all."""
    checker = DeliveryChecker(subscribers=2, window=1)
    await checker.wait_for_room()
    checker.new_message()
    waiting = asyncio.create_task(checker.wait_for_room())
    await asyncio.sleep(0)
    checker.count(1)
    await waiting
    assert checker.missing == 1


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames(size: int) -> None:
    """Frames of every length are read, and incomplete ones left."""
    heads = {0: b"\x00", 125: b"\x7d", 126: b"\x7e\x00\x7e", 65535: b"\x7e\xff\xff"}
    head = b"\x81" + heads.get(size, b"\x7f" + size.to_bytes(8, "big"))
    frame = head + b"x" * size
    assert read_frame(b"ab" + frame + b"rest", 2) == (1, 2 + len(head), 2 + len(frame))
    assert read_frame(frame[:-1], 0) is None
    assert read_frame(frame[:1], 0) is None


@pytest.mark.parametrize(
    ("value", "is_cost", "is_worse"),
    [(0.79, False, True), (0.81, False, False), (1.26, True, True), (1.24, True, False)],
)
def test_baseline(value: float, is_cost: bool, is_worse: bool) -> None:
    """A ratio that is more than a fifth worse is worse; others are not."""
    report = Report("title", ratios=[Ratio("name", [value], is_cost=is_cost)])
    measured = {"benchmarks": {"one": report.as_json()}}
    known = {"ratios": {"one: name": {"value": 1.0, "is_cost": is_cost}}}
    [comparison] = baseline.compare(measured, known)
    assert comparison.is_worse is is_worse
    assert ("!!" in comparison.line()) is is_worse


def test_new_ratio() -> None:
    """A ratio that the baseline does not know is no failure."""
    report = Report("title", ratios=[Ratio("name", [1.0])])
    [comparison] = baseline.compare({"benchmarks": {"one": report.as_json()}}, {"ratios": {}})
    assert not comparison.is_worse
    assert "new" in comparison.line()


@pytest.mark.parametrize(("again", "is_failure"), [(0.7, True), (0.9, False)])
def test_what_is_worse_is_measured_again(
    again: float, is_failure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is worse twice fails, and only that is measured twice."""

    def results(value: float, *names: str) -> dict[str, Any]:
        report = Report("title", ratios=[Ratio("name", [value])])
        return {name: report.as_json() for name in names}

    known = {"ratios": {name: {"value": 1.0} for name in ("one: name", "two: name")}}
    monkeypatch.setattr(baseline, "read_baseline", lambda: known)
    first = {"benchmarks": results(0.7, "one") | results(1.0, "two")}
    measured: list[str] = []

    def measure(names: Iterable[str]) -> dict[str, dict[str, Any]]:
        measured.extend(names)
        return results(again, *measured)

    with pytest.raises(SystemExit) if is_failure else nullcontext():
        command._check(first, measure)
    assert measured == ["one"]


def test_pairwise() -> None:
    """Ratios are of neighbouring runs, and the median is what counts."""
    ours, theirs = Figure("a", "1/s", [2, 9, 4]), Figure("b", "1/s", [1, 3, 4])
    ratio = pairwise("a against b", ours, theirs, budget=1.5)
    assert list(ratio.runs) == [2, 3, 1]
    assert (ratio.value, ratio.is_reached) == (2, True)


def test_hotspots() -> None:
    """Costs are counted once a stack, and waiting is none."""
    profile = [
        "main (run.py:1);f (dasf_broker/a.py:2);f (dasf_broker/a.py:2);g (json/b.py:3) 3",
        "main (run.py:1);Condition.wait (threading.py:9) 5",
        "main (run.py:1) 1",
    ]
    inclusive, own, total = hotspots.costs(hotspots.read_profile(profile))
    assert total == 4
    assert inclusive["dasf_broker/a.py f"] == 3
    assert own["json/b.py g"] == 3
    assert any("75.0%" in line for line in hotspots.lines(inclusive, own, total))
