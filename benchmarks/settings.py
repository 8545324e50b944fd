"""Those of the test project, as a server with many connections has them.

Without limits that one user of a benchmark reaches.
"""

from testproject.settings import *  # noqa: F403

DASF_MAX_SOCKETS_PER_USER = 0
DASF_MAX_SOCKETS_PER_ADDRESS = 0
DASF_MAX_BACKLOG = 10**8
DASF_TUNE_PROCESS = True
