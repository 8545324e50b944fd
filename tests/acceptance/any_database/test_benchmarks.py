"""One benchmark gets through all that it checks. `make test-slow` tries them all."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance import quick_benchmarks


def test_results(tmp_path: Path) -> None:
    """It yields figures and ratios, and says on what they were measured."""
    results = quick_benchmarks.run(tmp_path, "latency")
    quick_benchmarks.check(results["benchmarks"]["latency"])
    for fact in ("date", "cores", "processor", "python", "django", "uvicorn"):
        assert results["facts"][fact]
