"""``manage.py dasf_token``: create an API token for a user."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from dasf_broker import clock
from dasf_broker.auth import create_token
from dasf_broker.domain.texts import check_text
from dasf_broker.management.base import BrokerCommand
from dasf_broker.models import ApiToken


class Command(BrokerCommand):
    """Create a token and show its key, once."""

    help = (
        "Create an API token for a user and print its key as the last line. "
        "The key is stored nowhere and cannot be shown again."
    )
    epilog = """\
examples:
  manage.py dasf_token ada --label laptop --days 90
  KEY=$(manage.py dasf_token ada)

exit code:
  0  the key is on standard output
  1  there is no such user
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="The user that the token is for.")
        parser.add_argument("--label", default="", help="A note on what the token is used for.")
        parser.add_argument(
            "--days", type=int, metavar="N", help="Let the token expire after DAYS days."
        )

    def act(self, *args: Any, username: str, label: str, days: int | None, **options: Any) -> None:
        people = get_user_model()
        name = check_text(username, field="username")
        user = people._default_manager.filter(**{people.USERNAME_FIELD: name}).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        longest = ApiToken._meta.get_field("label").max_length or 0
        if len(check_text(label, field="label")) > longest:
            raise CommandError(f"--label has at most {longest} characters, not {len(label)}.")
        if days is not None and days < 1:
            raise CommandError(f"--days is at least 1, not {days}.")
        try:
            expires = clock.now() + timedelta(days=days) if days else None
        except OverflowError:
            raise CommandError(f"--days {days} is beyond the calendar.") from None
        token, key = create_token(user, label=label, expires=expires)
        until = f"until {expires:%Y-%m-%d %H:%M} UTC" if expires else "until it is revoked"
        self.stderr.write(f"Token {token} for {username}, valid {until}. Keep it secret:")
        self.stdout.write(key)
