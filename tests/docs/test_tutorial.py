"""A newcomer who copies each block of the tutorial gets what it says."""

from __future__ import annotations

import pytest

from tests.docs.conftest import Finished

pytestmark = pytest.mark.timeout(600)


def test_first_message(tutorial: Finished) -> None:
    """The tutorial ends with a message that is received; each block did what it should."""
    assert '"messages":{"messageId":' in tutorial.received
    assert '"user":{"username":"ada"}' in tutorial.received
