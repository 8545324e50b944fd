"""Those of the test project, with all that the specification of GraphQL over HTTP allows."""

from testproject.settings import *  # noqa: F403

DASF_GET_QUERIES = True
