"""The ASGI lifespan: a server tells that it begins, and that it is about to end.

Specification: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import gc
import logging
import sys

from dasf_broker.runtime import shut_down, start_up
from dasf_broker.transports.connection.handshake import Receive, Scope, Send

logger = logging.getLogger(__name__)


#: Seconds after which the event loop lets another thread run, if one wants to. One that reads the
#: database wants to some dozens of times. With Python's own 5 ms, which begin anew whenever the
#: loop sends something, whoever waits for it would wait for half a second while the loop is busy.
SWITCH_INTERVAL = 0.0003


def _settle() -> None:
    # What is loaded by now stays. To look through all of it for garbage, again and again, would
    # hold up everybody for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """Start and end with the server, an ASGI application."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        assert message["type"] == "lifespan.startup", message
        try:
            await start_up()
            _settle()
        except Exception as error:
            logger.exception("The broker cannot start.")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
    await shut_down()
    await send({"type": "lifespan.shutdown.complete"})
