"""Why a server closes a socket: the codes, and whether a client should come back."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """All of them. Those from 4400 on are of ``graphql-transport-ws``, others of websockets.

    Which code an error has is decided by :func:`dasf_broker.answers.answer_to`. Servers send 1009
    and 1012 by themselves, too: for a frame beyond their own limit, and when they end.
    """

    #: Whether the same client may be let in when it tries again, after a pause.
    retry: bool
    meaning: str

    def __new__(cls, code: int, retry: bool, meaning: str) -> Self:
        """Make a member of what is written below."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.retry, member.meaning = retry, meaning
        return member

    MESSAGE_TOO_BIG = (
        1009,
        False,
        "A frame is larger than `DASF_MAX_FRAME_SIZE`, or than 64 KiB before `connection_init`.",
    )
    INTERNAL_ERROR = (1011, False, "The broker failed; its log says how.")
    SERVICE_RESTART = (1012, True, "The server ends or restarts; nothing is lost.")
    TRY_AGAIN_LATER = (1013, True, "The database does not answer now.")
    BAD_REQUEST = (4400, False, "A frame means nothing.")
    UNAUTHORIZED = (
        4401,
        False,
        "The credential is wrong, or was revoked; or it is missing where one is needed.",
    )
    FORBIDDEN = (4403, False, "The page that opened the socket is not allowed to.")
    SUBPROTOCOL_NOT_ACCEPTABLE = (
        4406,
        False,
        "Only `graphql-transport-ws` is spoken at `/graphql/`.",
    )
    CONNECTION_INITIALISATION_TIMEOUT = (
        4408,
        True,
        "No `connection_init` came within `DASF_CONNECTION_INIT_TIMEOUT`.",
    )
    SUBSCRIBER_ALREADY_EXISTS = (4409, False, "An operation with this id runs already.")
    TOO_MANY_REQUESTS = (
        4429,
        False,
        (
            "Too many sockets, wrong credentials or introductions. Close some, or wait; do not "
            "come back at once."
        ),
    )
