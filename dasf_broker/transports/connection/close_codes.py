"""The close codes of sockets, and whether a client should connect again."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

#: A key of ``websocket.accept``, which servers may know. If it is true, the client connects again
#: only after a connection that ended without a close frame: so the server sends none where it ends
#: the connection by itself, and the client should come back.
DROP = "dasf_broker.drop"


class CloseCode(IntEnum):
    """All close codes. Codes from 4400 on belong to ``graphql-transport-ws``, others to websockets.

    :func:`dasf_broker.answers.answer_to` chooses the code of an error. The ASGI server itself sends
    1009 for a frame beyond its own limit, and 1012 when it ends.
    """

    #: Whether the same client may succeed if it connects again, after a pause.
    retry: bool
    meaning: str

    def __new__(cls, code: int, retry: bool, meaning: str) -> Self:
        """Create a member from its code, ``retry`` and meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.retry, member.meaning = retry, meaning
        return member

    MESSAGE_TOO_BIG = (
        1009,
        False,
        "A frame is larger than `DASF_MAX_FRAME_SIZE`, or than 64 KiB before `connection_init`.",
    )
    INTERNAL_ERROR = (1011, False, "An error in the broker; the server's log has its cause.")
    SERVICE_RESTART = (1012, True, "The server stops or restarts. No stored message is lost.")
    TRY_AGAIN_LATER = (
        1013,
        True,
        "The database does not answer, or there are too many sockets or wrong credentials now.",
    )
    BAD_REQUEST = (4400, False, "A frame is not valid in the protocol.")
    UNAUTHORIZED = (
        4401,
        False,
        "The credential is wrong, missing or was revoked.",
    )
    FORBIDDEN = (4403, False, "The origin of the page that opened the socket is not allowed.")
    SUBPROTOCOL_NOT_ACCEPTABLE = (
        4406,
        False,
        "`/graphql/` accepts only the subprotocol `graphql-transport-ws`.",
    )
    CONNECTION_INITIALISATION_TIMEOUT = (
        4408,
        True,
        "The client sent no `connection_init` within `DASF_CONNECTION_INIT_TIMEOUT`.",
    )
    SUBSCRIBER_ALREADY_EXISTS = (4409, False, "An operation with this id is already running.")
    TOO_MANY_REQUESTS = (4429, False, "The client sent `connection_init` twice.")
