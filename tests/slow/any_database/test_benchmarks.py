"""All benchmarks get through all that they check."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.__main__ import OURS
from tests.acceptance import quick_benchmarks

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the results of one quick run of all benchmarks."""
    return quick_benchmarks.run(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("name", OURS)
def test_results(results: dict[str, Any], name: str) -> None:
    """Each yields figures and ratios."""
    quick_benchmarks.check(results["benchmarks"][name])
