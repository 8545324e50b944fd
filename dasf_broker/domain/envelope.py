"""The envelope: the message of a producer, checked and in one form for all doors.

On the wire (the DASF protocol and ``BrokerMessage.content``) it is
``{"messageId", "properties": {...}, "payload": base64, "context"?}``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from dasf_broker.domain.json_text import MAX_DIGITS, has_nul, parse_strict
from dasf_broker.domain.sizes import json_size
from dasf_broker.domain.slugs import STATUS_PING, check_slug
from dasf_broker.domain.texts import kind_of, parse_uuid, shown
from dasf_broker.exceptions import BadInputError, PayloadTooLargeError

#: ``context`` is a signed 64 bit integer in the database.
MAX_CONTEXT = 2**63 - 1

#: Levels of nesting in the properties of a message.
MAX_DEPTH = 64

#: Most values in the properties of a message: each of them is looked at several times.
MAX_PROPERTY_VALUES = 20_000

#: Numbers from here on are too large for some parsers of JSON.
_TOO_LARGE = 10**MAX_DIGITS

_DIGITS_OF_A_BIT = math.log10(2)

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class MessageType(StrEnum):
    """The type of a message: its property ``messageType``."""

    PING = "ping"
    PONG = "pong"
    REQUEST = "request"
    RESPONSE = "response"
    LOG = "log"
    INFO = "info"
    PROGRESS = "progress"
    API_INFO = "api_info"


#: Types of answers: what a response topic takes.
ANSWER_TYPES = (
    MessageType.RESPONSE,
    MessageType.PROGRESS,
    MessageType.LOG,
    MessageType.INFO,
    MessageType.PONG,
)

_MESSAGE_TYPES = list(MessageType)  # a list, because a value may be anything

#: Types for backend modules. A subscription leaves them out unless it names them.
MACHINE_TYPES = frozenset({MessageType.PING, MessageType.API_INFO})


@dataclass(frozen=True, slots=True)
class Envelope:
    """A checked message without a topic. Create one with :meth:`compose` or :meth:`parse`."""

    message_id: UUID
    properties: Mapping[str, Any]
    payload: str
    context: int | None = None
    #: The envelope as it is sent and stored. Do not change it.
    content: dict[str, Any] = field(init=False, repr=False, compare=False)
    #: The bytes of ``content``, if they were counted.
    _size: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        content: dict[str, Any] = {
            "messageId": str(self.message_id),
            "properties": dict(self.properties),
            "payload": self.payload,
        }
        if self.context is not None:
            content["context"] = self.context
        object.__setattr__(self, "content", content)

    @property
    def size(self) -> int:
        """The bytes of the envelope as it is sent: as JSON in ASCII."""
        return self._size or json_size(self.content)

    @property
    def message_type(self) -> MessageType:
        """The type of the message; a request if it names none."""
        return MessageType(self.properties.get("messageType", MessageType.REQUEST))

    @property
    def response_topic(self) -> str | None:
        """The topic for answers, if the message asks for answers."""
        name = self.properties.get("response_topic")
        return name if name and name != STATUS_PING else None

    @classmethod
    def compose(
        cls,
        *,
        max_size: int,
        message_id: UUID | None = None,
        data: Any = None,
        text: str | None = None,
        payload: str | None = None,
        properties: Any = None,
        message_type: MessageType | str = MessageType.REQUEST,
        response_topic: str | None = None,
        context: int | None = None,
    ) -> Envelope:
        """Create an envelope from its parts.

        Parameters
        ----------
        max_size
            The most bytes that the envelope may have on the wire.
        data, text, payload
            The body as JSON, as text, or as base64: at most one of them.
        properties
            Further properties, a JSON object.

        Raises
        ------
        BadInputError
            A part is not valid; ``field`` names it.
        PayloadTooLargeError
            The envelope is larger than ``max_size``.
        """
        given = {"data": data, "text": text, "payload": payload}
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise BadInputError(
                f"Give one of data, text and payload, not {' and '.join(named)}.", field=named[1]
            )
        if data is not None:
            payload = encode_payload(_dump(data, field="data"))
        elif text is not None:
            payload = encode_payload(_encode(text, field="text"))
        own = dict(_check_properties({} if properties is None else properties))
        own["messageType"] = str(message_type)
        if response_topic is not None:
            own["response_topic"] = response_topic
            # Backend modules ignore requests without it; their answers repeat it.
            own.setdefault("requestContext", 0 if context is None else context)
        return cls._checked(message_id or uuid4(), own, payload or "", context, max_size)

    @classmethod
    def parse(cls, content: Any, *, max_size: int) -> Envelope:
        """Check an envelope in its wire form.

        Raises
        ------
        BadInputError, PayloadTooLargeError
            As :meth:`compose`.
        """
        if not isinstance(content, Mapping):
            raise BadInputError(f"A message is a JSON object, not {kind_of(content)}.")
        message_id = content.get("messageId")
        return cls._checked(
            uuid4() if message_id is None else check_uuid(message_id),
            dict(_check_properties(content.get("properties") or {})),
            content.get("payload") or "",
            content.get("context"),
            max_size,
        )

    @classmethod
    def _checked(
        cls,
        message_id: UUID,
        properties: dict[str, Any],
        payload: Any,
        context: Any,
        max_size: int,
    ) -> Envelope:
        digits = _unwritten_digits(properties)
        check_message_type(properties.get("messageType", MessageType.REQUEST))
        # The broker's own pings name a socket as their response topic. It is no topic.
        if (answers := properties.get("response_topic")) not in (None, "", STATUS_PING):
            if not isinstance(answers, str):
                raise BadInputError(
                    f"response_topic is a topic slug, not {kind_of(answers)}.",
                    field="responseTopic",
                )
            check_slug(answers, field="responseTopic")
        _check_fragment(properties)
        _check_payload(payload, max_size, is_fragment="num_fragments" in properties)
        envelope = cls(message_id, properties, payload, _read_context(context))
        text = _dump(envelope.content, field="properties")
        if (size := len(text) + digits) > max_size:
            raise _too_large(size, max_size)
        if text.isascii() and b"\x7f" not in text:  # the one character of ASCII that is escaped
            object.__setattr__(envelope, "_size", size)
        return envelope


def encode_payload(body: bytes) -> str:
    """Return ``body`` as it is sent: in base64."""
    return base64.b64encode(body).decode("ascii")


def decode_text(payload: str) -> str | None:
    """Return the payload as text, or ``None`` if it is not UTF-8."""
    try:
        return base64.b64decode(payload, validate=True).decode("utf-8")
    except ValueError:
        return None


def decode_data(payload: str) -> Any:
    """Return the payload as JSON, or ``None`` if it is not JSON that every parser can read."""
    text = decode_text(payload)
    if not text:
        return None
    try:
        return parse_strict(text)
    except (BadInputError, PayloadTooLargeError):
        return None


def check_uuid(value: Any, *, field: str = "messageId") -> UUID:
    """Return ``value`` as a UUID.

    Raises
    ------
    BadInputError
        It is not the text of a UUID.
    """
    if isinstance(value, UUID):
        return value
    try:
        if isinstance(value, str):
            return parse_uuid(value)
    except ValueError:
        pass
    raise BadInputError(f"{shown(value)} is not a UUID.", field=field)


def check_message_type(value: Any) -> MessageType:
    """Return ``value`` as a message type.

    Raises
    ------
    BadInputError
        It is not a message type.
    """
    if value not in _MESSAGE_TYPES:
        known = ", ".join(MessageType)
        raise BadInputError(
            f"{shown(value)} is not a message type (one of {known}).", field="messageType"
        )
    return MessageType(value)


def _check_properties(properties: Any) -> Mapping[str, Any]:
    if not isinstance(properties, Mapping):
        raise BadInputError(
            f"properties is a JSON object, not {kind_of(properties)}.", field="properties"
        )
    return properties


def content_size(content: Mapping[str, Any]) -> int:
    """Return about how many bytes the body and the properties of a message take."""
    return len(content["payload"]) + len(str(content["properties"]))


def _unwritten_digits(properties: Mapping[str, Any]) -> int:
    """Return how many more digits the numbers have in PostgreSQL than in JSON.

    Refuse numbers that are too large, too many values, and values that are nested too deeply to be
    copied or written as JSON everywhere.
    """
    level, values, digits = [*properties.values()], 0, 0
    for _ in range(MAX_DEPTH - 1):
        if (values := values + len(level)) > MAX_PROPERTY_VALUES:
            raise _too_many_values()
        digits += sum(map(_more_digits, level))
        level = [child for each in level for child in _children(each)]
        if not level:
            return digits
    raise BadInputError(
        f"properties are nested more than {MAX_DEPTH} levels deep.", field="properties"
    )


def _more_digits(value: Any) -> int:
    # `1e+300` has six characters, and PostgreSQL returns three hundred.
    if isinstance(value, float) and value and not 1e-4 <= abs(value) < 1e16:  # noqa: PLR2004
        return int(abs(math.frexp(value)[1]) * _DIGITS_OF_A_BIT)
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise BadInputError(
            f"A number in properties has more than {MAX_DIGITS} digits.", field="properties"
        )
    return 0


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _check_fragment(properties: Mapping[str, Any]) -> None:
    """Check the number of a fragment, if the message is one."""
    fragment, count = properties.get("fragment"), properties.get("num_fragments")
    if fragment is None and count is None:
        return
    for value in (fragment, count):
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadInputError(
                f"fragment and num_fragments are integers, not {shown(value)}.",
                field="properties",
            )
    if not 0 <= fragment < count:  # type: ignore[operator]
        raise BadInputError(
            f"fragment {shown(fragment)} is not one of {shown(count)}.", field="properties"
        )


def _check_payload(payload: Any, max_size: int, *, is_fragment: bool) -> None:
    if not isinstance(payload, str):
        raise BadInputError(f"payload is base64 text, not {kind_of(payload)}.", field="payload")
    if len(payload) > max_size:
        raise _too_large(len(payload), max_size)
    # Base64 may be cut anywhere into fragments: then only the whole is complete.
    if not _BASE64.fullmatch(payload) or (len(payload) % 4 and not is_fragment):
        raise BadInputError("payload is not base64.", field="payload")


def _read_context(context: Any) -> int | None:
    # Backend modules send it back as text, whatever it was.
    if isinstance(context, str) and _NUMBER.fullmatch(context):
        context = int(context)
    if context is None:
        return None
    if isinstance(context, bool) or not isinstance(context, int) or abs(context) > MAX_CONTEXT:
        raise BadInputError(f"context is an integer, not {shown(context)}.", field="context")
    return context


def _dump(value: Any, *, field: str) -> bytes:
    try:
        text = _JSON.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{field} cannot be written as JSON: {error}.", field=field) from None
    if field != "data" and has_nul(text):
        raise BadInputError(f"{field} holds a NUL character.", field=field)
    return _encode(text, field=field)


def _encode(text: str, *, field: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadInputError(f"{field} holds half a surrogate pair.", field=field) from None


def _too_many_values() -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"The properties have more than {MAX_PROPERTY_VALUES} values. Send long lists of numbers "
        "as `payload` in base64, or as `text`.",
        limit=MAX_PROPERTY_VALUES,
    )


def _too_large(size: int, max_size: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"The message has {size} bytes; this broker takes up to {max_size}.",
        size=size,
        limit=max_size,
    )
