"""``manage.py export_schema``: write the GraphQL schema to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dasf_broker.schema import served_schema


class Command(BaseCommand):
    """Write the schema, or check that a file is up to date."""

    help = "Write the GraphQL schema to a file, or to the terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path",
            nargs="?",
            type=Path,
            help="The file to write; without it the schema is printed.",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="Write nothing; fail if the file is not up to date.",
        )

    def handle(self, *args: Any, path: Path | None, check: bool, **options: Any) -> None:
        sdl = served_schema().as_str() + "\n"
        if path is None:
            self.stdout.write(sdl, ending="")
        elif not check:
            path.write_text(sdl, encoding="utf-8")
            self.stdout.write(f"Wrote {path}.")
        elif not path.exists() or path.read_text(encoding="utf-8") != sdl:
            raise CommandError(f"{path} is stale: run `manage.py export_schema {path}`.")
        else:
            self.stdout.write(f"{path} is up to date.")
