"""The server of the demo: uvicorn in this process, with the demo's clients beside it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from channels.routing import get_default_application
from django.core.management.base import CommandError

from dasf_broker.management.demo.feeds import FEEDS, keep_running
from dasf_broker.management.demo.places import HOST
from dasf_broker.runtime import tune_process


def listen(port: int) -> socket.socket:
    """Bind the port before anything else is done.

    Raises
    ------
    CommandError
        The port is not available.
    """
    taken = socket.socket()
    # A demo that ended a moment ago must not keep the next one from starting.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
        taken.listen()
    except (OSError, OverflowError) as error:
        taken.close()
        raise CommandError(
            f"Port {port} cannot be used: {error}. Choose another one, like `--port {port + 1}` "
            f"or `make demo PORT={port + 1}`."
        ) from None
    return taken


def run(listening: socket.socket, url: str, on_ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    listening
        From :func:`listen`.
    url
        The URL of the websocket for the demo's clients.
    on_ready
        Called as soon as the server answers requests.
    """
    asyncio.run(_serve(listening, url, on_ready))


async def _serve(listening: socket.socket, url: str, on_ready: Callable[[], None]) -> None:
    server = _Server(_config())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    with _ended_by_signals(server) as ended:
        while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.02)
        tune_process()
        on_ready()
        clients = [
            asyncio.create_task(keep_running(service, feed, url)) for service, feed in FEEDS.items()
        ]
        stopping = asyncio.create_task(ended.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        # The clients end first: they would try to connect again to a server that ends.
        await _cancel(stopping, *clients)
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: it would raise the signals again after its own end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config() -> uvicorn.Config:
    application: Any = get_default_application()
    return uvicorn.Config(
        application,
        ws="dasf_broker.transports.uvicorn:WebSocketProtocol",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        lifespan="on",
        log_level="warning",
        log_config=None,  # its lines look as the project's LOGGING says
    )


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[asyncio.Event]:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def end(*_: object) -> None:
        server.force_exit = ended.is_set()  # the second signal ends it at once
        loop.call_soon_threadsafe(ended.set)

    # Not `add_signal_handler`, which Windows does not have.
    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
