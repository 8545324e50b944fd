"""The ASGI lifespan protocol: the server reports its start and its shutdown.

Specification: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import logging

from dasf_broker import app_settings
from dasf_broker.concurrency.allocator import return_large_memory
from dasf_broker.runtime import shut_down, start_up, tune_process
from dasf_broker.transports.connection.handshake import Receive, Scope, Send

logger = logging.getLogger(__name__)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    """Start and shut down with the server, an ASGI application."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        if message["type"] != "lifespan.startup":
            raise ValueError(f"{message['type']!r} is not a message of the lifespan protocol.")
        try:
            await start_up()
            if app_settings.DASF_RETURN_MEMORY:
                return_large_memory()
            if app_settings.DASF_TUNE_PROCESS:
                tune_process()
        except Exception as error:
            logger.exception("The broker cannot start.")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
    await shut_down()
    await send({"type": "lifespan.shutdown.complete"})
