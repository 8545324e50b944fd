"""Send an answer over HTTP in pieces, as fast as its client reads it.

A server keeps what its client does not read. It takes the next piece when there is room in its
buffer, so that it keeps little more than one. A client that takes no piece for
``DASF_SEND_TIMEOUT`` seconds is disconnected, and its answer is freed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import HttpResponse

from dasf_broker.transports.connection.handshake import Send
from dasf_broker.transports.connection.send_timeout import (
    ClosedConnectionError,
    buffer_size,
    drop_unless_read,
    send_unless_closed,
    send_with_timeout,
)

#: Bytes of a piece. A client must read about as many within ``DASF_SEND_TIMEOUT``.
PIECE = 256 * 1024


async def send_response(response: HttpResponse, send: Send) -> None:
    """Send the answer to a request, and free its body."""
    body = response.content
    response.content = b""
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    if len(body) <= PIECE and buffer_size(send) == 0:
        # Without the timeout, which takes time itself: the server has room for it.
        with suppress(ClosedConnectionError):
            await send_unless_closed(send, start)
            await send_unless_closed(send, {"type": "http.response.body", "body": body})
    else:
        with suppress(ClosedConnectionError):
            await _send_slowly(start, body, send)
    del body
    await drop_unless_read(send)


async def _send_slowly(start: Any, body: bytes, send: Send) -> None:
    async with send_with_timeout(send) as timed_send:
        await timed_send(start)
        await _send_pieces(body, timed_send)


async def _send_pieces(body: bytes, send: Send) -> None:
    for begin in range(0, max(len(body), 1), PIECE):
        end = begin + PIECE
        piece: dict[str, Any] = {"type": "http.response.body", "body": body[begin:end]}
        await send({**piece, "more_body": end < len(body)})
