"""GraphQL over websockets: the ``graphql-transport-ws`` protocol, for all types of operations.

It is an ASGI application. Protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any

from graphql import OperationType
from strawberry import Schema

from dasf_broker import app_settings
from dasf_broker.answers import answer_to
from dasf_broker.auth import Identity
from dasf_broker.auth.revocation import while_valid
from dasf_broker.concurrency.shares import working_for
from dasf_broker.domain.texts import is_storable, printable, shown
from dasf_broker.exceptions import BadInputError, PayloadTooLargeError, RateLimitedError
from dasf_broker.operations.caller import Caller
from dasf_broker.schema import checked, served_schema
from dasf_broker.schema.execution.context import Context
from dasf_broker.transports.connection import origins
from dasf_broker.transports.connection.close_codes import CloseCode
from dasf_broker.transports.connection.handshake import (
    Handshake,
    Receive,
    Scope,
    Send,
    check_head_size,
    identify_socket,
)
from dasf_broker.transports.connection.limits import socket_slots
from dasf_broker.transports.connection.send_timeout import (
    TimedSend,
    close_websocket,
    send_with_timeout,
)
from dasf_broker.transports.connection.socket_budget import Held, ResultSlots, SocketBudget
from dasf_broker.transports.graphql.execution import (
    GraphQLRequest,
    examine,
    execute,
    held_memory,
    take_turn,
    writable_errors,
)
from dasf_broker.transports.graphql.shared_results import stream
from dasf_broker.transports.json_codec import read_json, write_json

PROTOCOL = "graphql-transport-ws"

#: Most characters of a frame before ``connection_init``.
MAX_UNAUTHENTICATED_FRAME = 64 * 1024

#: Frames of one client that are handled before other tasks of the event loop run. Without it,
#: frames that arrived together would all be handled first.
FRAMES_PER_TURN = 16

#: Seconds for telling a client that the server ends.
LAST_WORD = 0.5

#: Most characters of the id of an operation, which is sent with each result.
MAX_ID_LENGTH = 256


class GraphQLWebSocket:
    """The ASGI application.

    Parameters
    ----------
    schema
        The schema to serve; by default the one that ``DASF_GRAPHQL_SCHEMA`` names.
    """

    def __init__(self, schema: Schema | None = None) -> None:
        self._schema = None if schema is None else checked(schema, "The schema of the websocket")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        async with send_with_timeout(send) as timed_send:
            socket = _Socket(self._schema or served_schema(), scope, receive, timed_send)
            try:
                await socket.serve()
            except asyncio.CancelledError:
                # The server ends. Some would say 1011, after which clients do not come back.
                if not timed_send.has_expired:
                    await socket.close_for_restart()
                raise


class _CloseError(Exception):
    """The client violated the protocol; the socket is closed with a code and a reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _Socket:
    """One client's connection."""

    def __init__(self, schema: Schema, scope: Scope, receive: Receive, send: TimedSend) -> None:
        self._schema = schema
        self._scope = scope
        self._receive = receive
        self._send = send
        handshake = Handshake(scope)
        #: Removed once the client is identified, because it contains the credential.
        self._handshake: Handshake | None = handshake
        self._is_allowed = origins.is_allowed(handshake)
        self._root_url = handshake.root_url
        self._address = handshake.address
        self._head_size = handshake.size
        self._frames = 0
        #: Characters of the frame that is handled now.
        self._frame_size = 0
        self._identity: Identity | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        #: Operations that the client completed and that have not ended yet. They count, too:
        #: otherwise a client that subscribes and completes in a loop would exceed the limit.
        self._ending: set[asyncio.Task[None]] = set()
        self._budget = SocketBudget()
        self._slots = ResultSlots()

    async def serve(self) -> None:
        await self._receive()  # websocket.connect
        is_supported = PROTOCOL in self._scope.get("subprotocols", ())
        await self._send(
            {"type": "websocket.accept", "subprotocol": PROTOCOL if is_supported else None}
        )
        try:
            self._check_handshake(is_supported)
            check_head_size(self._head_size)
            with socket_slots(self._address) as slots:
                identity = await self._initialise()
                if identity is not None:
                    slots.assign_to(identity.caller)
                    await self._send_json({"type": "connection_ack"})
                    async with while_valid(identity.credential):
                        with working_for(identity.caller.share):
                            await self._handle_all()
        except _CloseError as close:
            await self._close(close.code, str(close))
        except OSError:
            pass  # the client disconnected during a frame
        except Exception as error:  # noqa: BLE001 - the client gets it, and the log if needed
            await self._cancel_operations()  # first, so that no more results are sent
            answer = answer_to(error)
            await self._close(answer.close_code, answer.text)
        finally:
            await self._cancel_operations()

    async def close_for_restart(self) -> None:
        """Tell the client to connect again, if it can be told quickly."""
        with suppress(OSError, RuntimeError, TimeoutError):  # the server may have closed the socket
            async with asyncio.timeout(LAST_WORD):
                await self._close(CloseCode.SERVICE_RESTART, "")

    # --- initialisation -----------------------------------------------------------------------

    def _check_handshake(self, is_supported: bool) -> None:
        if not is_supported:
            raise _CloseError(
                CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Use the subprotocol {PROTOCOL}"
            )
        if not self._is_allowed:
            raise _CloseError(CloseCode.FORBIDDEN, "Origin not allowed; see DASF_ALLOWED_ORIGINS")

    async def _initialise(self) -> Identity | None:
        """Wait for ``connection_init``; return ``None`` if the client disconnects before."""
        end = asyncio.get_running_loop().time() + app_settings.DASF_CONNECTION_INIT_TIMEOUT
        while self._identity is None:
            try:
                async with asyncio.timeout_at(end):
                    frame = await self._next_frame()
            except TimeoutError:
                text = "Connection initialisation timeout"
                raise _CloseError(CloseCode.CONNECTION_INITIALISATION_TIMEOUT, text) from None
            if frame is None:
                return None
            await self._handle(frame)  # without the timeout: the database may be slow
        return self._identity

    async def _identify(self, payload: Any) -> None:
        if self._handshake is None:
            raise _CloseError(CloseCode.TOO_MANY_REQUESTS, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            raise _CloseError(CloseCode.BAD_REQUEST, "The payload of connection_init is an object")
        self._identity = await identify_socket(self._handshake, payload)
        self._handshake = None

    # --- frames -------------------------------------------------------------------------------

    async def _handle_all(self) -> None:
        while (frame := await self._next_frame()) is not None:
            await self._handle(frame)
            del frame  # released before the next frame arrives

    async def _next_frame(self) -> dict[str, Any] | None:
        """Return the next frame, or ``None`` when the client has disconnected."""
        self._frames += 1
        if self._frames % FRAMES_PER_TURN == 0:
            await asyncio.sleep(0)
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        self._check_size(text or "")
        try:
            frame = read_json(text) if text is not None else None
        except BadInputError:
            frame = None
        except PayloadTooLargeError as error:
            raise _CloseError(CloseCode.MESSAGE_TOO_BIG, str(error)) from None
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            raise _CloseError(CloseCode.BAD_REQUEST, "A frame is a JSON object with a `type`")
        self._frame_size = len(text or "")
        if frame["type"] != "subscribe":  # the size of others is checked when they are read
            self._check_small(self._frame_size)
        return frame

    def _check_size(self, text: str) -> None:
        limit = app_settings.DASF_MAX_FRAME_SIZE
        if self._identity is None:
            limit = min(limit, MAX_UNAUTHENTICATED_FRAME)
        if len(text) > limit:
            raise _CloseError(
                CloseCode.MESSAGE_TOO_BIG, f"A frame has at most {limit} characters here"
            )

    def _check_small(self, size: int) -> None:
        if size > (limit := app_settings.DASF_MAX_REQUEST_SIZE):
            raise _CloseError(
                CloseCode.MESSAGE_TOO_BIG,
                f"A frame that publishes no message has at most {limit} characters",
            )

    async def _handle(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "connection_init":
                await self._identify(frame.get("payload"))
            case "ping":
                await self._send_json({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(frame)
            case "complete":
                self._complete(frame)
            case other:
                raise _CloseError(CloseCode.BAD_REQUEST, f"Unknown frame type {shown(other)}")

    async def _subscribe(self, frame: dict[str, Any]) -> None:
        operation_id = _operation_id(frame)
        if self._identity is None:
            raise _CloseError(CloseCode.UNAUTHORIZED, "Send connection_init first")
        if operation_id in self._operations:
            raise _CloseError(
                CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id} already exists"
            )
        try:
            request = GraphQLRequest.read(frame.get("payload"), size=self._frame_size)
        except BadInputError as error:
            raise _CloseError(CloseCode.BAD_REQUEST, f"subscribe: {error}") from None
        await take_turn(self._schema, request)
        try:
            # Before the task starts, so that operations are counted in the order of their frames.
            await self._check_operation_limit()
            held = self._budget.hold(request.memory(app_settings.DASF_MAX_SOCKET_BYTES))
        except (RateLimitedError, PayloadTooLargeError) as error:
            await self._error(operation_id, error)
            return
        run = self._run(operation_id, request, self._identity.caller, held)
        task = self._operations[operation_id] = asyncio.create_task(run)
        task.add_done_callback(held.release)

    def _complete(self, frame: dict[str, Any]) -> None:
        task = self._operations.pop(_operation_id(frame), None)
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    # --- operations ---------------------------------------------------------------------------

    async def _run(
        self, operation_id: str, request: GraphQLRequest, caller: Caller, held: Held
    ) -> None:
        context = Context(caller, root_url=self._root_url)
        try:
            kind, request = examine(self._schema, request)
            if kind is OperationType.SUBSCRIPTION:
                most = app_settings.DASF_MAX_SOCKET_BYTES
                held.resize(held_memory(self._schema, request, most))
                await self._stream(operation_id, request, context)
            else:
                await self._answer(operation_id, request, context)
        except OSError:
            pass  # the client disconnected during a frame, which ends the reading, too
        except Exception as error:  # noqa: BLE001 - an error ends no other operation
            with suppress(OSError):
                await self._error(operation_id, error)
        finally:
            if self._operations.get(operation_id) is asyncio.current_task():
                del self._operations[operation_id]

    async def _check_operation_limit(self) -> None:
        limit = app_settings.DASF_MAX_OPERATIONS_PER_SOCKET
        # Completed operations are ending: the client is not refused, but its next frames wait.
        while self._ending and 0 < limit - len(self._operations) <= len(self._ending):
            await asyncio.wait(self._ending, return_when=asyncio.FIRST_COMPLETED)
        if len(self._operations) >= limit:
            raise RateLimitedError(
                f"A socket runs at most {limit} operations; complete one first.", limit=limit
            )

    async def _stream(self, operation_id: str, request: GraphQLRequest, context: Context) -> None:
        prefix = f'{{"id":{write_json(operation_id)},"type":"next","payload":'
        results = stream(self._schema, request, context, self._slots)
        async with aclosing(results):  # type: ignore[type-var]
            async for event, text in results:
                await self._send({"type": "websocket.send", "text": f"{prefix}{text}}}"})
                del event, text  # they may be large, and the next ones long in coming
        await self._send_json({"id": operation_id, "type": "complete"})

    async def _answer(self, operation_id: str, request: GraphQLRequest, context: Context) -> None:
        await self._send.until_accepted()
        result = await execute(self._schema, request, context)
        if not result.was_executed:
            await self._errors(operation_id, result.body["errors"])
            return
        await self._send_json({"id": operation_id, "type": "next", "payload": result.body})
        await self._send_json({"id": operation_id, "type": "complete"})

    async def _error(self, operation_id: str, error: Exception) -> None:
        await self._errors(operation_id, writable_errors([error]))

    async def _errors(self, operation_id: str, errors: list[dict[str, Any]]) -> None:
        await self._send_json({"id": operation_id, "type": "error", "payload": errors})

    async def _cancel_operations(self) -> None:
        tasks = [*self._operations.values(), *self._ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- sending ------------------------------------------------------------------------------

    async def _send_json(self, frame: Mapping[str, Any]) -> None:
        await self._send({"type": "websocket.send", "text": write_json(frame)})

    async def _close(self, code: int, reason: str) -> None:
        # A reason has at most 123 bytes on the wire.
        cut = printable(reason).encode()[:123].decode(errors="ignore")
        await close_websocket(self._send, code, cut)


def _operation_id(frame: Mapping[str, Any]) -> str:
    operation_id = frame.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise _CloseError(CloseCode.BAD_REQUEST, "An operation has a text `id`")
    if len(operation_id) > MAX_ID_LENGTH:
        raise _CloseError(CloseCode.BAD_REQUEST, f"An `id` has at most {MAX_ID_LENGTH} characters")
    if not is_storable(operation_id):  # it is sent with each result, which all parsers read
        raise _CloseError(
            CloseCode.BAD_REQUEST, "An `id` has no NUL character and no half of a surrogate pair"
        )
    return operation_id
