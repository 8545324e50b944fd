"""The settings of the demo, with housekeeping by other processes."""

from testproject.settings import *  # noqa: F403

DASF_HOUSEKEEPING = False
