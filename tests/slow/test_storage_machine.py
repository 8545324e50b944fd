"""The table of storage rules holds in any history, of very many."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.operations.test_storage_machine import look_for_a_history


@pytest.mark.timeout(1200)
@pytest.mark.django_db
def test_the_table_holds_in_any_history(settings: Settings) -> None:
    """Let the machine look for a history that breaks it."""
    look_for_a_history(settings, examples=200)
