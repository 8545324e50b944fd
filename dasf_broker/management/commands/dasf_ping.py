"""``manage.py dasf_ping``: ask the consumers of topics to answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.core.management.base import CommandError, CommandParser

from dasf_broker.management.base import BrokerCommand, add_user_option, caller_named
from dasf_broker.management.terminal import Progress, table
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping

#: Exit code if the consumers of a topic did not answer.
SILENT = 3

#: Seconds between two reads of the answers: short at first, because most answers come at once.
FIRST_PAUSE, NEXT_PAUSES = 0.05, 0.5


class Command(BrokerCommand):
    """Ping topics, wait for their answers, and show them."""

    help = "Ping topics, wait for answers, and show which topics answered and how fast."
    epilog = """\
examples:
  manage.py dasf_ping weather tides
  manage.py dasf_ping --all --wait 10
  manage.py dasf_ping weather --wait 0   ping, and do not wait

exit code:
  0  all topics answered, or the command did not wait
  1  refused
  3  at least one topic did not answer
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="The topics to ping.")
        parser.add_argument(
            "--all",
            action="store_true",
            help="Ping all topics that support it, except response topics.",
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="How long to wait for answers (default: 5).",
        )
        parser.add_argument(
            "--json", action="store_true", help="Print a JSON list with an object for each topic."
        )
        add_user_option(parser, "the server itself, which may ping every topic")

    def act(self, *args: Any, user: str | None, wait: float, json: bool, **options: Any) -> None:
        if not 0 <= wait < float("inf"):
            raise CommandError(f"--wait is a number of seconds, not {wait}.")
        slugs = self._slugs(options["slugs"], every=options["all"])
        if isinstance(get_channel_layer(), InMemoryChannelLayer):
            self.stderr.write(
                "The channel layer is in memory: consumers that are connected to another process "
                "do not get this ping. Use Redis to reach them.",
                style_func=self.style.WARNING,
            )
        pinged = self._ping(slugs, user)
        if wait:
            self._wait(pinged, wait)
        topics = BrokerTopic.objects.in_bulk(list(pinged))
        rows = [_facts(topics[pk], moment) for pk, moment in pinged.items() if pk in topics]
        self._show(rows, as_json=json)
        silent = len(pinged) - sum(row["answered"] for row in rows)
        if wait and silent:
            raise CommandError(f"{silent} of {len(pinged)} did not answer.", returncode=SILENT)

    def _slugs(self, named: Sequence[str], *, every: bool) -> list[str]:
        if every == bool(named):
            raise CommandError("Name topics, or use --all.")
        if not every:
            return list(dict.fromkeys(named))
        topics = BrokerTopic.objects.filter(supports_dasf=True, responsetopic__isnull=True)
        return list(topics.values_list("slug", flat=True))

    def _ping(self, slugs: Sequence[str], user: str | None) -> dict[int, datetime]:
        """Ping the topics; return the times of the pings, by the keys of the topics."""
        caller = Caller.system() if user is None else caller_named(user)
        # All or none: a misspelt topic is reported before any topic is pinged.
        found = [access(caller, slug) for slug in slugs]
        for each in found:
            each.require(each.rights.may_ping, to="ping")
        bar = Progress(self.stderr, "pinging", len(found))
        pinged = {}
        for each in found:
            pinged[each.topic.pk] = ping(caller, each.topic.slug).pinged_at
            bar.advance()
        bar.finish()
        return pinged

    def _wait(self, pinged: Mapping[int, datetime], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        bar = Progress(self.stderr, "answered", len(pinged))
        waiting, pause = set(pinged), FIRST_PAUSE
        while waiting and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = NEXT_PAUSES
            pongs = BrokerTopic.objects.filter(pk__in=waiting).values_list("pk", "last_pong")
            answered = {pk for pk, pong in pongs if pong is not None and pong >= pinged[pk]}
            waiting -= answered
            bar.advance(len(answered))
        bar.finish()

    def _show(self, rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
        if as_json:
            self.write_json(rows)
            return
        cells = [(row["topic"], *_words(row)) for row in rows]
        for line in table(("topic", "answer", "round trip"), cells):
            self.stdout.write(line)


def _facts(topic: BrokerTopic, pinged_at: datetime) -> dict[str, Any]:
    answered = topic.last_pong is not None and topic.last_pong >= pinged_at
    return {
        "topic": topic.slug,
        "answered": answered,
        "roundTripTime": topic.round_trip_time if answered else None,
        "pingedAt": pinged_at,
        "lastPong": topic.last_pong,
    }


def _words(row: Mapping[str, Any]) -> tuple[str, str]:
    if not row["answered"]:
        return "no", "-"
    seconds = row["roundTripTime"]
    return "yes", "-" if seconds is None else f"{seconds * 1000:.1f} ms"
