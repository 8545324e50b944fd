"""``manage.py dasf_housekeeping``: ping topics, and remove rows that are no longer needed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from dasf_broker import clock
from dasf_broker.management.base import BrokerCommand
from dasf_broker.management.terminal import Progress, run_until_ended
from dasf_broker.operations.upkeep.schedule import (
    Report,
    begin,
    due,
    new_holder,
    run_regularly,
)
from dasf_broker.runtime import current

BUSY = "Another process is at work; nothing to do here."


class Command(BrokerCommand):
    """Do the housekeeping once, or every minute."""

    help = (
        "Ping the topics that are due. Remove response topics that are no longer needed, old "
        "tokens, messages that no consumer still has to acknowledge, and messages that are too "
        "old or too many for the retention of their topic. Forget the ids of messages that were "
        "removed long ago. Remove what is left of deleted topics. Several processes may run this "
        "at once."
    )
    epilog = """\
examples:
  manage.py dasf_housekeeping          once, for instance from cron
  manage.py dasf_housekeeping --loop   every minute until Ctrl-C or SIGTERM

Server processes do the housekeeping by themselves, unless DASF_HOUSEKEEPING = False.

exit code:
  0  done, or another process is at work
  1  the database does not answer
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="Repeat it every minute.")
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON.")

    def act(self, *args: Any, loop: bool, json: bool, **options: Any) -> None:
        def tell(report: Report | None) -> None:
            self._tell(report, as_json=json)
            self.stdout.flush()

        if loop:
            run_until_ended(lambda: run_regularly(current(), tell))
        else:
            tell(self._once())

    def _once(self) -> Report | None:
        work = begin(new_holder())
        if work is None:
            return None
        # Counted only for a terminal, which shows the progress.
        work_ahead = due(clock.now()) if self.stderr.isatty() else None
        bar = Progress(self.stderr, "housekeeping", work_ahead)
        total = Report()
        for report in work:
            total += report
            bar.advance(report.total)
        bar.finish()
        return total

    def _tell(self, report: Report | None, *, as_json: bool) -> None:
        if as_json:
            counts = None if report is None else report.counts()
            self.write_json({"busy": report is None, **(counts or {})})
        elif report is None:
            self.stdout.write(BUSY)
        else:
            self.stdout.write(
                f"{clock.now():%Y-%m-%d %H:%M:%S} UTC: pinged {report.pinged} topics; removed "
                f"{report.collected} response topics, {report.expired} tokens and "
                f"{report.settled} messages; removed {report.retired} messages by retention, "
                f"forgot {report.forgotten} message ids; removed {report.deleted} rows of deleted "
                "topics."
            )
