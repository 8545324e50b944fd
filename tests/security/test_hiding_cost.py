"""A hidden topic costs as many queries as none: the time it takes tells nothing either."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from tests.doors.clients import key_of
from tests.doors.dasf.frames import queries_of_all_threads
from tests.doors.sockets import QUIET
from tests.security.attempts import ATTEMPTS, Place

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub_lifetime", "django_thread"),
]


#: The one that is left out sends two frames, which are dealt with together or apart.
ROWS = [row for row in ATTEMPTS if row != "dasf acknowledge"]


@pytest.mark.parametrize("is_anonymous", [True, False], ids=["nobody", "stranger"])
@pytest.mark.parametrize("row", ROWS)
async def test_it_costs_the_same(
    topic: BrokerTopic, consumer: User, stranger: User, row: str, is_anonymous: bool
) -> None:
    """As many queries are made for a hidden topic as for none, by every operation."""
    key = None if is_anonymous else await key_of(stranger)
    hidden = Place(topic, Caller(consumer), key, patience=QUIET)  # nobody looks again so soon
    missing = replace(hidden, topic=BrokerTopic(pk=topic.pk + 1000, slug="nowhere"))
    counts = []
    for place in (missing, hidden) * 2:
        with queries_of_all_threads() as queries:
            await ATTEMPTS[row](place)
        counts.append(len(queries))
    # The first two filled caches of Django's own.
    assert counts[2] == counts[3]
