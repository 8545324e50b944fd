"""The ASGI lifespan protocol: a server tells that it starts, and that it shuts down.

Specification: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import gc
import logging
import sys

from dasf_broker import app_settings
from dasf_broker.runtime import shut_down, start_up
from dasf_broker.transports.connection.handshake import Receive, Scope, Send

logger = logging.getLogger(__name__)


#: Seconds after which the event loop lets another thread run, if one wants to. A thread that reads
#: the database wants to some dozens of times. Python's own 5 ms begin anew whenever the loop sends
#: something: a busy loop would hold up a read for half a second.
SWITCH_INTERVAL = 0.0003


def tune_process() -> None:
    """Make this process ready for many connections; it concerns all of its code.

    A server does it at its start where ``DASF_TUNE_PROCESS`` is on.
    """
    # What is loaded by now stays. To look through all of it for garbage, again and again, would
    # hold up everybody for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """Start and shut down with the server, an ASGI application."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        assert message["type"] == "lifespan.startup", message
        try:
            await start_up()
            if app_settings.DASF_TUNE_PROCESS:
                tune_process()
        except Exception as error:
            logger.exception("The broker cannot start.")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
    await shut_down()
    await send({"type": "lifespan.shutdown.complete"})
