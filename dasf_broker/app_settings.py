"""The settings of the broker: typed, documented, and read from Django's at their first use.

Read them as attributes of this module (``app_settings.DASF_MAX_MESSAGE_SIZE``), so that what a
test changes counts at once; ``from dasf_broker.app_settings import DASF_...`` freezes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from dasf_broker.domain.rates import OF_ADDRESSES, OF_USERS, Activity, read_rates
from dasf_broker.domain.storage import StoragePolicy as StoreMessageOptions

__all__ = ["DEFAULTS", "StoreMessageOptions"]

if TYPE_CHECKING:
    DASF_CREATE_TOPIC_ON_MESSAGE: bool
    DASF_STORE_MESSAGES: StoreMessageOptions
    DASF_STORE_RESPONSE_MESSAGES: StoreMessageOptions
    DASF_STORE_SOURCE_MESSAGES: StoreMessageOptions
    DASF_WEBSOCKET_URL_ROUTE: str
    ROOT_URL: str | None
    DASF_GRAPHQL_SCHEMA: str
    DASF_MAX_MESSAGE_SIZE: int
    DASF_PAGE_SIZE: int
    DASF_MAX_PAGE_SIZE: int
    DASF_MAX_QUERY_SIZE: int
    DASF_MAX_QUERY_TOKENS: int
    DASF_MAX_QUERY_OPERATIONS: int
    DASF_MAX_QUERY_FRAGMENTS: int
    DASF_MAX_QUERY_DEPTH: int
    DASF_MAX_QUERY_ALIASES: int
    DASF_MAX_QUERY_DIRECTIVES: int
    DASF_MAX_QUERY_REPEATS: int
    DASF_MAX_QUERY_ITEMS: int
    DASF_MAX_QUERY_COST: int
    DASF_MAX_INTROSPECTION_DEPTH: int
    DASF_MAX_INTROSPECTION_LISTS: int
    DASF_INTROSPECTION: Audience | None
    DASF_GRAPHIQL: Audience | None
    DASF_GET_QUERIES: bool
    DASF_BODY_TIMEOUT: float
    DASF_MAX_BACKLOG: int
    DASF_MESSAGE_ID_MEMORY: float
    DASF_MAILBOX_SIZE: int
    DASF_MAILBOX_BYTES: int
    DASF_SEND_TIMEOUT: float
    DASF_EVENT_STREAM_KEEP_ALIVE: float
    DASF_LOOK_INTERVAL: float
    DASF_PONG_GRACE: float
    DASF_WRITER_QUEUE: int
    DASF_WRITER_BYTES: int
    DASF_DATABASE_THREADS: int
    DASF_DATABASE_TIMEOUT: float
    DASF_CONNECTION_INIT_TIMEOUT: float
    DASF_MAX_OPERATIONS_PER_SOCKET: int
    DASF_MAX_FRAME_SIZE: int
    DASF_MAX_SOCKETS_PER_USER: int
    DASF_MAX_SOCKETS_PER_ADDRESS: int
    DASF_MAX_UNAUTHENTICATED_SOCKETS: int
    DASF_USER_RATES: Mapping[str, str | None]
    DASF_ADDRESS_RATES: Mapping[str, str | None]
    DASF_RATE_CACHE: str
    DASF_NUM_PROXIES: int
    DASF_ALLOWED_ORIGINS: tuple[str, ...]
    DASF_HOUSEKEEPING: bool


class Audience(StrEnum):
    """For whom something is."""

    EVERYBODY = "everybody"
    STAFF = "staff"
    NOBODY = "nobody"


class Setting(NamedTuple):
    """A setting: what it is when nobody sets it, how a given value is read, what it means."""

    default: Any
    read: Callable[[Any], Any]
    meaning: str


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):  # "no" would be true
        raise TypeError("it is True or False")
    return value


def _positive(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        number = kind(value)
        if number <= 0:
            raise ValueError(f"{number!r} is not greater than 0")
        return number

    return read


def _not_negative(value: Any) -> int:
    if (number := int(value)) < 0:
        raise ValueError(f"{number!r} is less than 0")
    return number


def _audience(value: Any) -> Audience | None:
    return None if value is None else Audience(value)


#: Rates of addresses unless the host says otherwise, each by itself.
_ADDRESS_RATES = {Activity.FAILED_AUTHENTICATION.value: "30/m"}


#: Every setting. A default that names another setting falls back to it.
DEFAULTS: dict[str, Setting] = {
    "DASF_CREATE_TOPIC_ON_MESSAGE": Setting(
        True,
        _switch,
        "A message to an unknown topic creates it, if the user may add topics.",
    ),
    "DASF_STORE_MESSAGES": Setting(
        StoreMessageOptions.CACHE,
        StoreMessageOptions,
        "How long messages are kept: `disabled`, `cache`, `cacheall` or `store`.",
    ),
    "DASF_STORE_RESPONSE_MESSAGES": Setting(
        "DASF_STORE_MESSAGES", StoreMessageOptions, "The same for response topics."
    ),
    "DASF_STORE_SOURCE_MESSAGES": Setting(
        "DASF_STORE_MESSAGES", StoreMessageOptions, "The same for all other topics."
    ),
    "DASF_WEBSOCKET_URL_ROUTE": Setting(
        "ws/", str, "Where the DASF websockets hang, for the host's `asgi.py`."
    ),
    "ROOT_URL": Setting(
        None,
        _optional_text,
        "Public root of the site behind a proxy; without it, taken from the request.",
    ),
    "DASF_GRAPHQL_SCHEMA": Setting(
        "dasf_broker.schema.schema",
        str,
        "Dotted path of the strawberry schema that the doors serve.",
    ),
    "DASF_MAX_MESSAGE_SIZE": Setting(
        1024 * 1024,
        _positive(int),
        "Most bytes of one message, its body in base64 and its properties included.",
    ),
    "DASF_PAGE_SIZE": Setting(
        100, _positive(int), "Items in a page when the query does not say how many."
    ),
    "DASF_MAX_PAGE_SIZE": Setting(500, _positive(int), "Most items that a query may ask for."),
    "DASF_MAX_QUERY_SIZE": Setting(16 * 1024, _positive(int), "Most bytes of a GraphQL document."),
    "DASF_MAX_QUERY_TOKENS": Setting(500, _positive(int), "Most tokens of a GraphQL document."),
    "DASF_MAX_QUERY_OPERATIONS": Setting(10, _positive(int), "Most operations of a document."),
    "DASF_MAX_QUERY_FRAGMENTS": Setting(50, _positive(int), "Most fragments of a document."),
    "DASF_MAX_QUERY_DEPTH": Setting(
        8, _positive(int), "Most levels of fields of an operation, its fragments in place."
    ),
    "DASF_MAX_QUERY_ALIASES": Setting(15, _not_negative, "Most aliases of an operation, likewise."),
    "DASF_MAX_QUERY_DIRECTIVES": Setting(
        50, _not_negative, "Most directives of an operation, likewise."
    ),
    "DASF_MAX_QUERY_REPEATS": Setting(
        50, _positive(int), "How often a field may stand at one place of an operation, likewise."
    ),
    "DASF_MAX_QUERY_ITEMS": Setting(
        1000,
        _positive(int),
        "Most items in the lists that are written in an operation, and in those of one variable.",
    ),
    "DASF_MAX_QUERY_COST": Setting(
        10_000,
        _positive(int),
        "Most fields that an operation may come to, those in a page counted for each of its items.",
    ),
    "DASF_MAX_INTROSPECTION_DEPTH": Setting(
        15, _positive(int), "Most levels of fields below `__schema` and `__type`."
    ),
    "DASF_MAX_INTROSPECTION_LISTS": Setting(
        2, _positive(int), "How deep the lists there that lead from type to type may be nested."
    ),
    "DASF_INTROSPECTION": Setting(
        None,
        _audience,
        "Who may ask for the schema: `everybody`, `staff` or `nobody`; without it, everybody while "
        "`DEBUG` is on and staff otherwise.",
    ),
    "DASF_GRAPHIQL": Setting(
        None, _audience, "Who may open the page for browsers: the same values, the same default."
    ),
    "DASF_GET_QUERIES": Setting(
        False,
        _switch,
        "Whether queries, and never mutations, may stand in the URL of a GET. A session does not "
        "count there.",
    ),
    "DASF_BODY_TIMEOUT": Setting(
        30.0, _positive(float), "Seconds that a client may take to send the body of a request."
    ),
    "DASF_MAX_BACKLOG": Setting(
        100_000,
        _positive(int),
        "Messages that one topic stores; beyond, publishing to it answers `TOPIC_FULL`.",
    ),
    "DASF_MESSAGE_ID_MEMORY": Setting(
        24 * 60 * 60.0,
        _positive(float),
        "Seconds for which the id of a removed message is remembered, so that a producer who "
        "sends it again makes no second one.",
    ),
    "DASF_MAILBOX_SIZE": Setting(
        1000, _positive(int), "Events that wait for one slow subscriber before it is caught up."
    ),
    "DASF_MAILBOX_BYTES": Setting(
        4 * 1024 * 1024, _positive(int), "Bytes of such events, of one subscriber."
    ),
    "DASF_SEND_TIMEOUT": Setting(
        30.0,
        _positive(float),
        "Seconds that a client may take to accept a frame before its socket is given up.",
    ),
    "DASF_EVENT_STREAM_KEEP_ALIVE": Setting(
        15.0,
        _positive(float),
        "Seconds between the comments that keep a stream of server-sent events open.",
    ),
    "DASF_LOOK_INTERVAL": Setting(
        2.0,
        _positive(float),
        "Seconds between looks for messages that the channel layer did not announce.",
    ),
    "DASF_PONG_GRACE": Setting(
        5.0,
        _positive(float),
        "Seconds a consumer has to answer a ping before the subscription `availability` reports it "
        "offline.",
    ),
    "DASF_WRITER_QUEUE": Setting(
        10_000,
        _positive(int),
        "Messages and acknowledgements that may wait to be written in one process.",
    ),
    "DASF_WRITER_BYTES": Setting(
        64 * 1024 * 1024, _positive(int), "Bytes of messages that may wait to be written."
    ),
    "DASF_DATABASE_THREADS": Setting(
        4, _positive(int), "Threads of one process that read from the database."
    ),
    "DASF_DATABASE_TIMEOUT": Setting(
        9.0,
        _positive(float),
        "Seconds after which who waits for the database is answered `UNAVAILABLE`.",
    ),
    "DASF_CONNECTION_INIT_TIMEOUT": Setting(
        5.0, _positive(float), "Seconds a new socket has to send `connection_init`."
    ),
    "DASF_MAX_OPERATIONS_PER_SOCKET": Setting(
        100, _positive(int), "Operations that may run on one socket at once."
    ),
    "DASF_MAX_FRAME_SIZE": Setting(
        4 * 1024 * 1024,
        _positive(int),
        "Most characters of one frame that a client sends on a socket.",
    ),
    "DASF_MAX_SOCKETS_PER_USER": Setting(
        1000, _not_negative, "Sockets of one user in one process; 0 for any number."
    ),
    "DASF_MAX_SOCKETS_PER_ADDRESS": Setting(
        2000, _not_negative, "Sockets of one address in one process; 0 for any number."
    ),
    "DASF_MAX_UNAUTHENTICATED_SOCKETS": Setting(
        5000,
        _not_negative,
        "Sockets of one process for which nobody vouched, yet or at all; 0 for any number.",
    ),
    "DASF_USER_RATES": Setting(
        {},
        partial(read_rates, known=OF_USERS, defaults={}),
        "What one user may do: `publish`, `publish_bytes`, `ping`, `subscribe`, each like "
        '`"1000/m"`. Who is anonymous is counted by address.',
    ),
    "DASF_ADDRESS_RATES": Setting(
        _ADDRESS_RATES,
        partial(read_rates, known=OF_ADDRESSES, defaults=_ADDRESS_RATES),
        "What all clients of one address may do: the same, and `failed_authentication`. A rate "
        "that is not mentioned keeps its default; `None` is for no limit.",
    ),
    "DASF_RATE_CACHE": Setting(
        "default",
        str,
        "The cache in `CACHES` that counts for the rates; the processes need one in common.",
    ),
    "DASF_NUM_PROXIES": Setting(
        0,
        _not_negative,
        "Proxies in front of the server that add to `X-Forwarded-For`; with 0 that header does "
        "not count.",
    ),
    "DASF_ALLOWED_ORIGINS": Setting(
        (),
        tuple,
        "Origins besides the server's own whose pages may open sockets; `*` for all.",
    ),
    "DASF_HOUSEKEEPING": Setting(
        True,
        _switch,
        "Server processes do the housekeeping, one at a time; without it run "
        "`manage.py dasf_housekeeping --loop`.",
    ),
}


def _read(name: str) -> Any:
    setting = DEFAULTS[name]
    value = getattr(settings, name, None)
    if value is None:
        if isinstance(setting.default, str) and setting.default in DEFAULTS:
            return _read(setting.default)
        return setting.default
    try:
        return setting.read(value)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"{name} = {value!r} cannot be used: {error}.") from error


def __getattr__(name: str) -> Any:
    if name not in DEFAULTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Found in the module from now on, which costs a hot path nothing.
    value = globals()[name] = _read(name)
    return value


@receiver(setting_changed)
def _forget(**_: Any) -> None:
    # Only tests change settings; one may be the default of another.
    for name in DEFAULTS:
        globals().pop(name, None)


def __dir__() -> list[str]:
    return sorted([*globals(), *DEFAULTS])
