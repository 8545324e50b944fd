"""The results of a benchmark: figures of single runs, and ratios, which are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity, measured in some runs."""

    name: str
    unit: str
    runs: Sequence[float]

    @property
    def value(self) -> float:
        """The median."""
        return median(self.runs)

    def as_json(self) -> dict[str, Any]:
        """Return the figure for the file of results."""
        runs = [_short(each) for each in self.runs]
        return {"name": self.name, "unit": self.unit, "median": _short(self.value), "runs": runs}


@dataclass(frozen=True, slots=True)
class Ratio:
    """How two things that were measured in turns compare.

    Parameters
    ----------
    name
        What is compared; stays the same between versions, because the baseline names it.
    runs
        One ratio for each pair of neighbouring runs.
    budget
        What is to be reached, if that was decided.
    is_cost
        Whether less is better.
    """

    name: str
    runs: Sequence[float]
    budget: float | None = None
    is_cost: bool = False

    @property
    def value(self) -> float:
        """The median."""
        return median(self.runs)

    @property
    def is_reached(self) -> bool | None:
        """Whether the budget is kept; ``None`` where there is none."""
        if self.budget is None:
            return None
        return self.value <= self.budget if self.is_cost else self.value >= self.budget

    def as_json(self) -> dict[str, Any]:
        """Return the ratio for the file of results."""
        return {
            "name": self.name,
            "median": _short(self.value),
            "runs": [_short(each) for each in self.runs],
            "budget": self.budget,
            "is_cost": self.is_cost,
            "is_reached": self.is_reached,
        }


def pairwise(name: str, ours: Figure, theirs: Figure, **options: Any) -> Ratio:
    """Return the ratio of two figures, run by run: what disturbs one pair disturbs no other."""
    runs = [one / other for one, other in zip(ours.runs, theirs.runs, strict=True)]
    return Ratio(name, runs, **options)


@dataclass(slots=True)
class Report:
    """What one benchmark found."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the report as it is printed."""
        yield f"== {self.title}"
        for figure in self.figures:
            spread = f"{_shown(min(figure.runs))} .. {_shown(max(figure.runs))}"
            yield f"   {figure.name:<58} {_shown(figure.value):>10} {figure.unit:<14} ({spread})"
        for ratio in self.ratios:
            yield f"-> {ratio.name:<58} {ratio.value:>10.2f} {_verdict(ratio)}"

    def as_json(self) -> dict[str, Any]:
        """Return the report for the file of results."""
        return {
            "title": self.title,
            "figures": [figure.as_json() for figure in self.figures],
            "ratios": [ratio.as_json() for ratio in self.ratios],
        }


def _verdict(ratio: Ratio) -> str:
    if ratio.budget is None:
        return ""
    sign = "<=" if ratio.is_cost else ">="
    return f"budget {sign} {ratio.budget:g}: {'reached' if ratio.is_reached else 'MISSED'}"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short(value: float) -> float:
    return float(f"{value:.5g}")
