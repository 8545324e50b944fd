"""Settings of a server under trial: the test project's, with a channel layer that misbehaves."""

from __future__ import annotations

import os

from testproject.settings import *  # noqa: F403
from testproject.settings import CHANNEL_LAYERS as REAL_LAYERS

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "tests.chaos.harness.faults.FaultyChannelLayer",
        "CONFIG": {"layer": REAL_LAYERS["default"], "faults": os.environ["DASF_FAULTS"]},
    }
}
