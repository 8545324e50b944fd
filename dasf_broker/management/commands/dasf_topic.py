"""``manage.py dasf_topic``: create, change and show a topic and the rights on it."""

from __future__ import annotations

from argparse import ArgumentTypeError, BooleanOptionalAction
from collections.abc import Iterator
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import CommandError, CommandParser

from dasf_broker import primary
from dasf_broker.domain.slugs import check_slug
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.domain.texts import check_text
from dasf_broker.exceptions import NotFoundError
from dasf_broker.management.base import (
    BrokerCommand,
    add_user_option,
    caller_named,
    new_user,
)
from dasf_broker.management.topics import RIGHTS, Holder, facts, held, lines
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.topics import (
    TopicOptions,
    create_topic,
    grant_permission,
    revoke_permission,
    update_topic,
)
from dasf_broker.permissions import Right, anonymous_user

#: The value that stands for the server's default storage rule.
DEFAULT = "default"
#: The value that stands for no limit.
NONE = "none"


class Command(BrokerCommand):
    """Change a topic as the options say, then show it."""

    help = (
        "Create a topic, change it, give rights on it, and show it. Options that you leave out "
        "change nothing. With a slug alone the topic is only shown."
    )
    epilog = """\
examples:
  manage.py dasf_topic weather --create
  manage.py dasf_topic weather --no-dasf --store-messages cacheall
  manage.py dasf_topic weather --retention-age 604800 --retention-count none
  manage.py dasf_topic weather --consumer ada --producer group:stations
  manage.py dasf_topic weather --consumer module --create-users --remove-permissions

NAME is a user, or a group if there is no user of that name; `group:NAME` is always a group.

exit code:
  0  the topic is as the options say
  1  refused, or there is no such topic; nothing was changed
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The topic.")
        parser.add_argument(
            "--create", action="store_true", help="Create the topic; other options do so too."
        )
        parser.add_argument(
            "--public",
            action=BooleanOptionalAction,
            help="All callers may see the topic, publish to it and ping it.",
        )
        parser.add_argument(
            "--dasf",
            action=BooleanOptionalAction,
            help="The consumers of the topic answer pings (default for a new topic: they do).",
        )
        parser.add_argument(
            "--store-messages",
            choices=[*(each.value for each in StoragePolicy), DEFAULT],
            help="How long messages are kept.",
        )
        for name, metavar, meaning in (
            ("--retention-age", "SECONDS", "Remove messages that are older"),
            ("--retention-count", "N", "Remove all messages but the newest N"),
        ):
            parser.add_argument(
                name,
                type=_limit,
                metavar=metavar,
                help=f"{meaning}, whether or not they are acknowledged; `{NONE}`: no limit.",
            )
        for name, meaning in (
            ("--consumer", "read and acknowledge messages"),
            ("--producer", "publish and ping"),
            ("--view-status", "see the topic and its status"),
        ):
            parser.add_argument(
                name,
                action="append",
                default=[],
                metavar="NAME",
                help=f"A user or a group that may {meaning}; may be repeated.",
            )
        parser.add_argument(
            "--anonymous",
            action="store_true",
            help="Anonymous callers may consume and produce, too.",
        )
        parser.add_argument(
            "--create-users",
            action="store_true",
            help="Create users that do not exist. They have no password: see `dasf_token`.",
        )
        parser.add_argument(
            "--remove-permissions",
            action="store_true",
            help="Take these rights from all users and groups that are not named here.",
        )
        parser.add_argument("--json", action="store_true", help="Show the topic as JSON.")
        add_user_option(parser, "the server itself, which has all rights")

    def act(self, *args: Any, slug: str, user: str | None, json: bool, **options: Any) -> None:
        caller = Caller.system() if user is None else caller_named(user)
        with primary.atomic():
            is_new = self._write(caller, slug, options) if _is_change(options) else False
        try:
            known = facts(access(caller, slug).topic)
        except NotFoundError as error:
            raise CommandError(f"{error} `--create` makes one.") from None
        if json:
            self.write_json(known)
            return
        if is_new:
            self.stderr.write(f"The topic {slug} is new.", style_func=self.style.SUCCESS)
        for line in lines(known):
            self.stdout.write(line)

    def _write(self, caller: Caller, slug: str, options: dict[str, Any]) -> bool:
        """Apply the options; return whether the topic is new."""
        chosen = TopicOptions(
            is_public=options["public"],
            supports_dasf=options["dasf"],
            store_messages=_policy(options["store_messages"]),
            retention_age=options["retention_age"],
            retention_count=options["retention_count"],
        )
        is_new = not BrokerTopic.objects.filter(slug=check_slug(slug)).exists()
        if is_new:
            create_topic(caller, slug, chosen)
        elif chosen.values():
            update_topic(caller, slug, chosen)
        wanted = set(self._wanted(options))
        if options["remove_permissions"]:
            for right, holder in held(access(caller, slug).topic) - wanted:
                revoke_permission(caller, slug, right, **holder._asdict())
        for right, holder in sorted(wanted, key=str):
            grant_permission(caller, slug, right, **holder._asdict())
        return is_new

    def _wanted(self, options: dict[str, Any]) -> Iterator[tuple[Right, Holder]]:
        """Yield each right with its wanted holder; create users if the options say so."""
        if options["anonymous"]:
            anonymous = Holder(self._anonymous(), None)
            yield Right.CONSUME, anonymous
            yield Right.PRODUCE, anonymous
        for option, right in RIGHTS.items():
            for name in options[option]:
                yield right, self._holder(name, create=options["create_users"])

    def _anonymous(self) -> str:
        if (row := anonymous_user()) is None:
            raise CommandError(
                "Guardian's anonymous user, who would hold the rights, has no row. Set "
                "ANONYMOUS_USER_NAME to a name, and run `manage.py migrate`, which makes it."
            )
        return row.get_username()

    def _holder(self, name: str, *, create: bool) -> Holder:
        people, name = get_user_model(), check_text(name, field="name")
        if name.startswith("group:"):
            return Holder(None, name.removeprefix("group:"))
        if people._default_manager.filter(**{people.USERNAME_FIELD: name}).exists():
            return Holder(name, None)
        if Group.objects.filter(name=name).exists():
            return Holder(None, name)
        if not create:
            raise CommandError(
                f"There is no user and no group {name!r}. `--create-users` makes the user."
            )
        new_user(name)
        self.stderr.write(
            f"The user {name} is new. For a token: `manage.py dasf_token {name}`.",
            style_func=self.style.SUCCESS,
        )
        return Holder(name, None)


def _is_change(options: dict[str, Any]) -> bool:
    named = ("create", "anonymous", "remove_permissions", *RIGHTS)
    chosen = ("public", "dasf", "store_messages", "retention_age", "retention_count")
    return any(options[each] for each in named) or any(options[each] is not None for each in chosen)


def _policy(chosen: str | None) -> StoragePolicy | str | None:
    if chosen is None:
        return None
    return "" if chosen == DEFAULT else StoragePolicy(chosen)


def _limit(text: str) -> int | Literal[""]:
    if text == NONE:
        return ""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is neither a number nor `{NONE}`") from None
