"""One connection of the DASF websocket protocol, for all three kinds of sockets.

Clients recognise a refusal only by a result that contains "error"; without it they wait for ever.
So the refusal of a frame is always such a result, and never closes the socket.

The reference client stays away for ever after any close frame. It connects again after a lost
connection, and after a handshake that failed. So only what is final ends with a close frame;
otherwise the connection is closed without one, where the server allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeAlias, TypedDict

from dasf_broker import app_settings
from dasf_broker.answers import Answer, answer_to
from dasf_broker.auth.credentials import Credential
from dasf_broker.auth.revocation import while_valid
from dasf_broker.concurrency.shares import working_for
from dasf_broker.domain.json_text import parse_strict
from dasf_broker.domain.texts import MAX_TEXT, printable
from dasf_broker.exceptions import (
    BadInputError,
    BrokerError,
    PayloadTooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from dasf_broker.operations.caller import Caller
from dasf_broker.transports.connection import origins
from dasf_broker.transports.connection.close_codes import DROP, CloseCode
from dasf_broker.transports.connection.handshake import (
    Handshake,
    Receive,
    Scope,
    Send,
    check_head_size,
    identify_socket,
    may_have_credential,
)
from dasf_broker.transports.connection.limits import SocketSlots, socket_slots
from dasf_broker.transports.connection.send_timeout import (
    close_websocket,
    drop,
    send_with_timeout,
)
from dasf_broker.transports.json_codec import read_json, write_json

#: Most frames of one client that wait, and most frames that are handled together.
BATCH = 100

#: Characters after which no more frames are read until these are handled. This limits the memory
#: that one client occupies.
BATCH_CHARACTERS = 64 * 1024

#: The extension of ASGI by which a handshake is refused with an HTTP answer.
_HTTP_ANSWER = "websocket.http.response"

#: The ends after which a client should not connect again: it would be refused again.
FINAL = frozenset(code for code in CloseCode if not code.retry) - {CloseCode.INTERNAL_ERROR}

Frame: TypeAlias = dict[str, Any]
#: The outcome of a frame: ``None`` on success, the text of a warning, or the answer to the error.
Outcome: TypeAlias = Answer | str | None


class Result(TypedDict, total=False):
    """The answer to a frame, server to client: ``result`` is "ok", or the text of the error."""

    messageId: Any
    context: Any
    result: str
    warning: str


class DasfSocket:
    """One client's connection; there is a subclass for each of the three kinds."""

    #: Whether the client gets a result for a successful frame.
    confirms = True

    #: Whether the frames are messages, which may be large.
    publishes = True

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.slug: str = scope["url_route"]["kwargs"].get("slug", "")
        self._caller: Caller | None = None
        #: Why the credential was refused. Not the error itself: its traceback would keep every
        #: frame for which it was raised.
        self._refusal: str | None = None
        self._may_answer_by_http = _HTTP_ANSWER in (scope.get("extensions") or ())
        self._is_accepted = False

    @classmethod
    def as_asgi(cls) -> Any:
        """Return the ASGI application, for a URL pattern."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            async with send_with_timeout(send) as timed_send:
                await cls(scope, receive, timed_send).serve(Handshake(scope))

        return application

    @property
    def caller(self) -> Caller:
        """The user of the connection.

        Raises
        ------
        UnauthenticatedError
            The credential was refused.
        UnavailableError
            The client is not identified yet.
        """
        if self._refusal is not None:
            raise UnauthenticatedError(self._refusal)
        if self._caller is None:
            raise UnavailableError("The socket is not ready yet.")
        return self._caller

    async def serve(self, handshake: Handshake) -> None:
        """Serve the connection until the client disconnects."""
        await self._receive()  # websocket.connect
        if not origins.is_allowed(handshake):
            await self._accept()
            await self._close(CloseCode.FORBIDDEN)
            return
        try:
            check_head_size(handshake.size)
            with socket_slots(handshake.address) as slots:
                if not may_have_credential(handshake):
                    slots.assign_to(None)
                await self._accept()
                credential = await self._identify(handshake, slots)
                del handshake  # it contains the credential
                async with while_valid(credential):
                    await self._work()
        except Exception as error:  # noqa: BLE001 - the client gets it, and the log if needed
            await self._end(answer_to(error))

    async def handle(self, frames: Sequence[Frame]) -> list[Outcome]:
        """Handle frames; return their outcomes, in order."""
        raise NotImplementedError

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return the coroutines that run while frames are read."""
        return []

    async def send_text(self, text: str) -> None:
        """Send a frame, if the client is still connected."""
        with suppress(OSError):  # the client disconnected, which ends the reading of frames
            await self._send({"type": "websocket.send", "text": text})

    async def _identify(self, handshake: Handshake, slots: SocketSlots) -> Credential | None:
        """Identify the user; if the credential is wrong, the results of frames say so."""
        try:
            identity = await identify_socket(handshake)
        except UnauthenticatedError as error:
            self._refusal = str(error)
            slots.assign_to(None)
            return None
        self._caller = identity.caller
        slots.assign_to(identity.caller)
        return identity.credential

    async def _work(self) -> None:
        with working_for(None if self._caller is None else self._caller.share):
            await self._handle_all()

    async def _handle_all(self) -> None:
        waiting: asyncio.Queue[str | None] = asyncio.Queue(BATCH)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in self.jobs()]
            group.create_task(self._answer_all(waiting))
            size = 0
            while (message := await self._receive())["type"] == "websocket.receive":
                text = message.get("text") or ""
                size += len(text)
                await waiting.put(text)
                if size > BATCH_CHARACTERS:
                    del message, text
                    await waiting.join()
                    size = 0
            for task in tasks:
                task.cancel()
            await waiting.put(None)  # the frames that the client sent before are handled

    async def _answer_all(self, waiting: asyncio.Queue[str | None]) -> None:
        while True:
            texts = [await waiting.get()]
            while len(texts) < BATCH and not waiting.empty():
                texts.append(waiting.get_nowait())
            limit = self._limit()
            await self._answer([_read(text, limit) for text in texts if text is not None])
            if None in texts:
                return
            for _ in texts:
                waiting.task_done()
            del texts  # not kept until the next ones arrive

    def _limit(self) -> int:
        """Return the most characters of a frame."""
        most = app_settings.DASF_MAX_FRAME_SIZE
        return most if self.publishes else min(most, app_settings.DASF_MAX_REQUEST_SIZE)

    async def _answer(self, frames: Sequence[Frame | BrokerError]) -> None:
        results = await self._results(frames)
        del frames  # not kept until the client has read the answers
        for result in results:
            await self.send_text(write_json(result))

    async def _results(self, frames: Sequence[Frame | BrokerError]) -> list[Result]:
        readable = [frame for frame in frames if not isinstance(frame, BrokerError)]
        try:
            outcomes = iter(await self.handle(readable))
        except Exception as error:  # noqa: BLE001 - the client gets it, and the log if needed
            outcomes = iter([answer_to(error)] * len(readable))
        results = []
        for frame in frames:
            if isinstance(frame, BrokerError):
                results.append(_result({}, answer_to(frame)))
            elif (outcome := next(outcomes)) is not None or self.confirms:
                results.append(_result(frame, outcome))
        return results

    async def _accept(self) -> None:
        self._is_accepted = True
        with suppress(OSError):  # the client disconnected, which ends the reading of frames
            await self._send({"type": "websocket.accept", DROP: True})

    async def _end(self, answer: Answer) -> None:
        if not self._is_accepted and self._may_answer_by_http:
            await self._refuse_handshake(answer)
        elif not self._is_accepted or answer.close_code in FINAL or not drop(self._send):
            await self._close(answer.close_code)  # 403, before the socket is accepted

    async def _refuse_handshake(self, answer: Answer) -> None:
        headers, status = [(b"content-length", b"0")], answer.status
        if answer.retry_after is not None:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            headers.append((b"retry-after", str(answer.retry_after).encode()))
        with suppress(OSError):
            await self._send(
                {"type": f"{_HTTP_ANSWER}.start", "status": status, "headers": headers}
            )
            await self._send({"type": f"{_HTTP_ANSWER}.body", "body": b""})

    async def _close(self, code: int) -> None:
        with suppress(OSError):
            await close_websocket(self._send, code)


def _read(text: str, limit: int) -> Frame | BrokerError:
    if len(text) > limit:
        return PayloadTooLargeError(f"A frame has at most {limit} characters here.")
    try:
        frame = read_json(text)
    except BrokerError as error:
        return error
    return frame if isinstance(frame, dict) else BadInputError("A frame is a JSON object.")


def _result(frame: Frame, outcome: Outcome) -> Result:
    result: Result = {"result": "ok"}
    if isinstance(outcome, Answer):
        result["result"] = f"error: {outcome.text}"
    elif outcome is not None:
        result["warning"] = outcome
    if "messageId" in frame:
        result["messageId"] = _repeated(frame["messageId"])
    if "context" in frame:
        result["context"] = _repeated(frame["context"])
    return result


def _repeated(value: Any) -> Any:
    """Return what the client sent, if it is short and every parser can read it."""
    if isinstance(value, str):
        return printable(value)
    try:
        text = write_json(value)
        return parse_strict(text) if len(text) <= MAX_TEXT else None
    except (BadInputError, ValueError):
        return None
