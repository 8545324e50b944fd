"""``manage.py quickstart``: a broker with live data on this machine, in one command."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dasf_broker import primary
from dasf_broker.management.demo.places import Places
from dasf_broker.management.demo.seed import seed
from dasf_broker.management.demo.terminal import guide


class Command(BaseCommand):
    """Prepare the database, show commands to try, and serve."""

    help = (
        "Start a broker with live data, for a first look: creates topics, accounts and a token, "
        "shows commands to try, and serves on this machine until Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=8000, help="The port to serve on (default: 8000)."
        )
        parser.add_argument(
            "--no-serve",
            action="store_true",
            help="Prepare the database and show the commands, but do not serve.",
        )
        parser.add_argument(
            "--reset",
            action="store_true",
            help="Remove everything that an earlier run created, and begin again.",
        )

    def handle(self, *args: Any, port: int, no_serve: bool, reset: bool, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "quickstart creates accounts and shows their passwords: it runs with DEBUG only."
            )
        try:
            if no_serve:
                self._prepare(port, reset=reset)
            else:
                self._serve(port, reset=reset)
        except KeyboardInterrupt:
            self.stdout.write("\nInterrupted.")

    def _serve(self, port: int, *, reset: bool) -> None:
        try:
            from dasf_broker.management.demo.server import listen, run
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error.name} is missing: pip install 'dasf-broker-graphql[server]'"
            ) from None
        with listen(port) as listening:
            places = self._prepare(listening.getsockname()[1], reset=reset)
            run(listening, places.websocket, on_ready=self._say_ready)
        self.stdout.write("\nThe demo has ended. Goodbye!")

    def _prepare(self, port: int, *, reset: bool) -> Places:
        self.stdout.write("Preparing the database ...")
        call_command("migrate", database=primary.alias(), verbosity=0, interactive=False)
        made = seed(reset=reset)
        places = Places(port)
        self.stdout.write("\n".join(guide(places, made, self.style)))
        return places

    def _say_ready(self) -> None:
        self.stdout.write(self.style.SUCCESS("\nThe broker is running. Ctrl-C ends it."))
        self.stdout.flush()
