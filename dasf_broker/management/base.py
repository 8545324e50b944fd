"""The base of the commands: help with examples, errors as sentences, and the acting user."""

from __future__ import annotations

import json
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from inspect import signature
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError

from dasf_broker import primary
from dasf_broker.domain.texts import check_text
from dasf_broker.exceptions import BrokerError
from dasf_broker.models.rights import active, superusers
from dasf_broker.operations.caller import Caller


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's formatter, but the lines of examples stay as they are."""


class BrokerCommand(BaseCommand):
    """A command that calls operations. If one refuses, it prints the reason and exits with 1."""

    #: Shown below the options: examples and exit codes.
    epilog = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser; the lines of its epilog stay as they are."""
        kwargs |= {"epilog": self.epilog, "formatter_class": _HelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def handle(self, *args: Any, **options: Any) -> str | None:  # noqa: ARG002
        """Run the command, and turn errors of the broker into errors of the command."""
        try:
            with primary.reads():
                self.act(**options)
        except BrokerError as error:
            raise CommandError(f"{error} ({error.code})") from error
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None
        except BrokenPipeError:
            # The reader has closed the pipe (`| head`). Nothing may be flushed there at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None

    def act(self, *args: Any, **options: Any) -> None:
        """Do the work of the command."""
        raise NotImplementedError

    def write_json(self, value: Any) -> None:
        """Print a value as one line of JSON, for programs."""
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False))


def caller_named(name: str | None) -> Caller:
    """Return the user of this name as a caller; without a name the first active superuser.

    Raises
    ------
    CommandError
        There is no such user, or no superuser.
    """
    people = get_user_model()
    users = active(people._default_manager.all())
    if name is not None:
        named = {people.USERNAME_FIELD: check_text(name, field="user")}
        user = users.filter(**named).first()
        if user is None:
            raise CommandError(f"There is no active user {name!r}.")
    else:
        user = superusers(users).order_by("pk").first()
        if user is None:
            raise CommandError(
                "There is no active superuser to act as. Name a user with `--user NAME`, or "
                "create a superuser with `manage.py createsuperuser`."
            )
    return Caller.of(user)


def new_user(name: str, *, password: str | None = None, is_superuser: bool = False) -> Any:
    """Create a user with this name, as the manager of the user model does.

    Raises
    ------
    CommandError
        A name is not enough for a user of this project.
    """
    people: Any = get_user_model()
    manager = people._default_manager
    make = manager.create_superuser if is_superuser else manager.create_user
    named = {people.USERNAME_FIELD: name, "password": password}
    # Django's own manager takes a `username` as well where people log in with something else.
    given = () if _takes(make, **named) else (name,)
    try:
        with primary.atomic():
            return make(*given, **named)
    except (TypeError, ValueError, IntegrityError) as error:
        raise CommandError(
            f"The user model of this project does not make a user {name!r} from a name: {error} "
            "Create the user first."
        ) from error


def _takes(function: Callable[..., Any], **options: Any) -> bool:
    try:
        signature(function).bind(**options)
    except TypeError:
        return False
    return True


def add_user_option(parser: CommandParser, default: str) -> None:
    """Add the option that names the user for whom a command acts."""
    parser.add_argument(
        "--user", metavar="NAME", help=f"Act as this user, with their rights. Default: {default}."
    )
