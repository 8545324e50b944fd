"""Fixtures for pytest: ``pytest_plugins = ["dasf_broker.testing.plugin"]`` in ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dasf_broker.testing import Captured


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Capture the calls of the broker in the test: see :func:`dasf_broker.testing.captured`."""
    from dasf_broker import testing  # when Django is ready

    with testing.captured() as found:
        yield found
