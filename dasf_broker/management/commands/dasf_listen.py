"""``manage.py dasf_listen``: show the messages of a topic as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.timezone import localtime

from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.events import MessagePublished
from dasf_broker.exceptions import BrokerError
from dasf_broker.management.base import BrokerCommand, add_user_option, caller_named
from dasf_broker.management.terminal import run_until_ended
from dasf_broker.operations.acknowledge import Acknowledging
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.subscriptions.messages import StartPosition, messages
from dasf_broker.realtime.mailbox import Delivery
from dasf_broker.runtime import current


class Command(BrokerCommand):
    """Listen until Ctrl-C."""

    help = (
        "Show the messages of a topic: first those that wait for an acknowledgement, then new "
        "ones as they arrive, until Ctrl-C or SIGTERM."
    )
    epilog = """\
examples:
  manage.py dasf_listen weather                 show messages, change nothing
  manage.py dasf_listen weather --ack           acknowledge the messages, too
  manage.py dasf_listen weather --json | jq .   one line of JSON for each message

Without Redis, messages of other processes are found by reading the database, and those of topics
that store nothing do not arrive.

exit code:
  0  ended by Ctrl-C, SIGTERM or --count
  1  refused, or the topic was deleted
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The topic.")
        parser.add_argument(
            "--ack", action="store_true", help="Acknowledge each message that was shown."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print each message as one line of JSON."
        )
        parser.add_argument(
            "--start",
            choices=[each.value.lower() for each in StartPosition],
            default=StartPosition.OUTSTANDING.value.lower(),
            help="Which messages to show first: those not acknowledged yet (outstanding, the "
            "default), all stored ones (earliest), or none (new).",
        )
        parser.add_argument(
            "--type",
            action="append",
            dest="types",
            choices=[each.value for each in MessageType],
            help="Show only messages of this type; may be repeated.",
        )
        parser.add_argument("--count", type=int, metavar="N", help="End after N messages.")
        add_user_option(parser, "the first active superuser")

    def act(self, *args: Any, user: str | None, count: int | None, **options: Any) -> None:
        if count is not None and count < 1:
            raise CommandError(f"--count is at least 1, not {count}.")
        caller = caller_named(user)
        run_until_ended(lambda: self._listen(caller, count, options))

    async def _listen(self, caller: Caller, count: int | None, options: dict[str, Any]) -> None:
        slug, types = options["slug"], options["types"]
        stream = messages(
            current(),
            caller,
            slug,
            start=StartPosition(options["start"].upper()),
            types=None if types is None else [MessageType(each) for each in types],
        )
        shown = 0
        try:
            async for received in stream:
                self._show(received, as_json=options["json"])
                if options["ack"]:
                    # A message that was shown counts, also if the command ends at this moment.
                    await finish(self._acknowledge(caller, slug, received.message))
                shown += 1
                if shown == count:
                    break
        finally:
            await stream.aclose()  # type: ignore[attr-defined] # it is a generator

    async def _acknowledge(self, caller: Caller, slug: str, message: MessagePublished) -> None:
        try:
            await current().writer.acknowledge_one(Acknowledging(caller, slug, message.message_id))
        except BrokerError as error:
            # The message comes again with the next subscription; go on listening.
            self.stderr.write(f"{message.message_id} is not acknowledged: {error}")

    def _show(self, received: Delivery, *, as_json: bool) -> None:
        message = received.message
        if received.missed and not as_json:
            self.stderr.write(f"{received.missed} messages were missed: this terminal is slow.")
        if as_json:
            facts = {"publishTime": message.publish_time, "missed": received.missed}
            self.write_json(dict(message.content) | facts)
        else:
            self.stdout.write(_line(message))
        self.stdout.flush()  # a program may be reading from a pipe


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Wait for a piece of work, and complete it even if the waiting is cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    finally:
        await task


def _line(message: MessagePublished) -> str:
    text = message.text
    if text is None:
        text = f"({len(message.payload)} characters of base64)"
    # A published text must not move the cursor of the terminal, or set colours.
    shown = "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)
    when = f"{localtime(message.publish_time):%H:%M:%S}"
    return f"{when} {message.message_type.value:<8} {message.message_id} {shown}"
