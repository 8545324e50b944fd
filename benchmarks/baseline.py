"""Compare ratios with those of ``baseline.json``: a worse ratio fails.

It compares ratios and not times, because machines differ. A ratio that is missing in the baseline,
or was not measured now, is shown and does not fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).parent / "baseline.json"

#: How much worse a ratio may become.
TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Comparison:
    """One ratio, then and now."""

    name: str
    then: float | None
    now: float
    is_cost: bool

    @property
    def change(self) -> float | None:
        """How much better (more than 0) or worse it became, as a share."""
        if self.then is None:
            return None
        return self.then / self.now - 1 if self.is_cost else self.now / self.then - 1

    @property
    def is_worse(self) -> bool:
        """Whether that is more than may be."""
        return self.change is not None and self.change < -TOLERANCE

    def line(self) -> str:
        """Return the comparison for the table."""
        if self.change is None:
            return f"   {self.name:<78} {self.now:>8.2f}   new"
        mark = "!!" if self.is_worse else "  "
        return f"{mark} {self.name:<78} {self.now:>8.2f}   was {self.then:.2f} ({self.change:+.0%})"


def ratios(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the ratios in a file of results, by name."""
    return {
        f"{benchmark}: {ratio['name']}": {"value": ratio["median"], "is_cost": ratio["is_cost"]}
        for benchmark, found in results["benchmarks"].items()
        for ratio in found["ratios"]
    }


def compare(results: dict[str, Any], baseline: dict[str, Any]) -> Iterator[Comparison]:
    """Yield each ratio that was measured, beside what it was."""
    known = baseline["ratios"]
    for name, ratio in ratios(results).items():
        then = known[name]["value"] if name in known else None
        yield Comparison(name, then, ratio["value"], ratio["is_cost"])


def read_baseline() -> dict[str, Any]:
    """Return the baseline; an empty one where there is none yet."""
    if not BASELINE.exists():
        return {"ratios": {}}
    baseline: dict[str, Any] = json.loads(BASELINE.read_text())
    return baseline


def write_baseline(results: dict[str, Any]) -> None:
    """Make these results the baseline; what was not measured stays as it was."""
    kept = {**read_baseline()["ratios"], **ratios(results)}
    text = json.dumps({"facts": results["facts"], "ratios": kept}, indent=2)
    BASELINE.write_text(text + "\n")
