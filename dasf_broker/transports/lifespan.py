"""The ASGI lifespan: a server tells that it begins, and that it is about to end.

Specification: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import gc
import logging

from dasf_broker.operations.lifetime import shut_down, start_up
from dasf_broker.transports.handshake import Receive, Scope, Send

logger = logging.getLogger(__name__)


def _settle() -> None:
    # What is loaded by now stays. To look through all of it for garbage, again and again, would
    # hold up everybody for a tenth of a second each time.
    gc.collect()
    gc.freeze()


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
