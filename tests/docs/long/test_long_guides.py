"""The how-to guides that wait long or start many processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.conftest import Finished
from tests.docs.test_how_to import LONG, follow

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("name", sorted(LONG))
def test_guide(
    name: str, tutorial: Finished, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What the guide tells to do can be done, and comes to what it says."""
    follow(name, tutorial, tmp_path, request)
