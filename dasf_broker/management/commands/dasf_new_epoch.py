"""``manage.py dasf_new_epoch``: expire the cursors of topics, after a backup was restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from dasf_broker.management.base import BrokerCommand
from dasf_broker.management.terminal import Progress
from dasf_broker.models import BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.storage.epochs import begin_all_epochs


class Command(BrokerCommand):
    """Begin a new epoch of topics."""

    help = (
        "Run this after you restored a backup, before the servers start again. Cursors that "
        "clients got before are answered with CURSOR_EXPIRED from then on; without it they might "
        "skip messages. Messages and rights stay as they are."
    )
    epilog = """\
examples:
  manage.py dasf_new_epoch                 all topics
  manage.py dasf_new_epoch weather tides   these only

Servers that are running find it within seconds: they end the subscriptions to these topics with
UNAVAILABLE, and clients subscribe again.

exit code:
  0  done
  1  a topic does not exist, or the database does not answer
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "slugs", nargs="*", metavar="SLUG", help="The topics; without one all topics."
        )
        parser.add_argument("--json", action="store_true", help="Print the count as JSON.")

    def act(self, *args: Any, slugs: Sequence[str], json: bool, **options: Any) -> None:
        topics = _topics(slugs)
        bar = Progress(self.stderr, "topics", topics.count())
        renewed = 0
        for count in begin_all_epochs(topics):
            renewed += count
            bar.advance(count)
        bar.finish()
        if json:
            self.write_json({"topics": renewed})
        else:
            self.stdout.write(f"{renewed} topics began a new epoch; their old cursors are expired.")


def _topics(slugs: Sequence[str]) -> BrokerTopicQuerySet:
    topics: BrokerTopicQuerySet = BrokerTopic.objects.all()
    if not slugs:
        return topics
    # All or none: a misspelt topic is reported before any topic is changed.
    found = [access(Caller.system(), slug).topic.pk for slug in slugs]
    return topics.filter(pk__in=found)
