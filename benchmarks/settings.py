"""The settings of the test project, for a server with many connections.

They have no limits that one user of a benchmark would reach.
"""

from testproject.settings import *  # noqa: F403

DASF_MAX_SOCKETS_PER_USER = 0
DASF_MAX_SOCKETS_PER_ADDRESS = 0
DASF_MAX_BACKLOG = 10**8
DASF_TUNE_PROCESS = True
