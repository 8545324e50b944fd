"""Those of the test project, where one user may be as many as a benchmark needs."""

from testproject.settings import *  # noqa: F403

DASF_MAX_SOCKETS_PER_USER = 0
DASF_MAX_SOCKETS_PER_ADDRESS = 0
