"""Why a server closes a socket: the codes, and whether a client should come back."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Closing(NamedTuple):
    """One reason to close a socket."""

    code: int
    #: Whether the same client may be let in when it tries again, after a pause.
    retry: bool
    meaning: str


class Close(Closing, Enum):
    """All of them. Those from 4400 on are of ``graphql-transport-ws``, others of websockets.

    Servers send 1009 and 1012 by themselves, too: for a frame beyond their own limit, and when
    they end.
    """

    TOO_BIG = Closing(
        1009,
        False,
        "A frame is larger than `DASF_MAX_FRAME_SIZE`, or than 64 KiB before `connection_init`.",
    )
    INTERNAL_ERROR = Closing(1011, False, "The broker failed; its log says how.")
    RESTART = Closing(1012, True, "The server ends or restarts; nothing is lost.")
    TRY_AGAIN_LATER = Closing(1013, True, "The database does not answer now.")
    BAD_REQUEST = Closing(4400, False, "A frame means nothing.")
    UNAUTHORIZED = Closing(
        4401,
        False,
        "The credential is wrong, or was revoked; or it is missing where one is needed.",
    )
    FORBIDDEN = Closing(4403, False, "The page that opened the socket is not allowed to.")
    SUBPROTOCOL_NOT_ACCEPTABLE = Closing(
        4406, False, "Only `graphql-transport-ws` is spoken at `/graphql/`."
    )
    INITIALISATION_TIMEOUT = Closing(
        4408, True, "No `connection_init` came within `DASF_CONNECTION_INIT_TIMEOUT`."
    )
    SUBSCRIBER_EXISTS = Closing(4409, False, "An operation with this id runs already.")
    TOO_MANY = Closing(
        4429,
        False,
        "Too many sockets, wrong credentials or introductions. Close some, or wait; do not come "
        "back at once.",
    )
