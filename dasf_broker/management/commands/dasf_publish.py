"""``manage.py dasf_publish``: publish a message to a topic."""

from __future__ import annotations

import base64
import json as json_
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dasf_broker import app_settings
from dasf_broker.domain.envelope import Envelope, MessageType, check_uuid
from dasf_broker.domain.publishing import Published
from dasf_broker.management.base import BrokerCommand, add_user_option, caller_named
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.publish import publish


class Command(BrokerCommand):
    """Publish one message."""

    help = "Publish a message to a topic, and print its status and id."
    epilog = """\
examples:
  manage.py dasf_publish weather --data '{"celsius": 6.2}'
  manage.py dasf_publish weather --text hello --user ada
  date | manage.py dasf_publish weather --file -

exit code:
  0  the message is stored, sent, or was published before under the same id
  1  it was refused
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The topic.")
        body = parser.add_mutually_exclusive_group()
        body.add_argument("--data", metavar="JSON", help="The body as JSON.")
        body.add_argument("--text", help="The body as text.")
        body.add_argument(
            "--file", metavar="PATH", help="The body from a file; - reads standard input."
        )
        parser.add_argument(
            "--type",
            choices=[each.value for each in MessageType],
            default=MessageType.REQUEST.value,
            help="The type of the message (default: request).",
        )
        parser.add_argument(
            "--properties", metavar="JSON", help="Further properties, a JSON object."
        )
        parser.add_argument(
            "--message-id",
            metavar="UUID",
            help="The id; a message with the same id is published once.",
        )
        parser.add_argument(
            "--response-topic", metavar="SLUG", help="The topic that answers go to."
        )
        parser.add_argument("--context", type=int, help="A number that answers repeat.")
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
        add_user_option(parser, "the first active superuser")

    def act(self, *args: Any, slug: str, user: str | None, json: bool, **options: Any) -> None:
        caller = caller_named(user)
        done = publish(Publication(caller, slug, _envelope(options), is_limited=False))
        if done.warning:
            self.stderr.write(self.style.WARNING(done.warning))
        if json:
            self.write_json(_facts(done))
        else:
            self.stdout.write(f"{done.status.value} {done.message.message_id}")


def _envelope(options: dict[str, Any]) -> Envelope:
    message_id = options["message_id"]
    # `null` is JSON too, but no data for an envelope: encoded here, it is.
    data = None if options["data"] is None else _json(options["data"], "--data")
    is_null = options["data"] is not None and data is None
    return Envelope.compose(
        max_size=app_settings.DASF_MAX_MESSAGE_SIZE,
        message_id=None if message_id is None else check_uuid(message_id),
        data=data,
        text="null" if is_null else options["text"],
        payload=None if options["file"] is None else _payload(options["file"]),
        properties=_json(options["properties"] or "{}", "--properties"),
        message_type=MessageType(options["type"]),
        response_topic=options["response_topic"],
        context=options["context"],
    )


def _json(text: str, option: str) -> Any:
    try:
        return json_.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{option} is not JSON: {error}.") from None


def _payload(path: str) -> str:
    try:
        body = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    return base64.b64encode(body).decode("ascii")


def _facts(done: Published) -> dict[str, Any]:
    return {
        "topic": done.message.topic_slug,
        "messageId": done.message.message_id,
        "status": done.status.value,
        "topicCreated": done.topic_created,
        "responseTopic": done.response_topic,
        "warning": done.warning,
    }
