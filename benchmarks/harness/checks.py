"""Check the rows in the database after a run, which load generators cannot see."""

from __future__ import annotations

from tests.acceptance.servers import Site

_COUNT = """
import django
django.setup()
from dasf_broker.models import BrokerMessage
print(BrokerMessage.objects.count())
"""


def check_stored(site: Site, count: int) -> None:
    """Fail unless the database holds exactly so many messages."""
    stored = int(site.run("-c", _COUNT))
    if stored != count:
        raise AssertionError(f"{count} messages were answered, {stored} are stored.")
