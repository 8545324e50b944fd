"""How Hypothesis looks for examples in the tests of the rules."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes depends on the machine, and says nothing about the broker.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
