"""The settings of the broker: typed, documented, and read from Django's settings at first use.

Each is declared once, below. Read them as attributes of this module
(``app_settings.DASF_MAX_MESSAGE_SIZE``), so that changes in tests take effect;
``from dasf_broker.app_settings import DASF_...`` keeps the first value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from dasf_broker.domain.rates import OF_ADDRESSES, OF_USERS, Activity, read_rates
from dasf_broker.domain.storage import StoragePolicy as StoreMessageOptions

__all__ = ["DEFAULTS", "StoreMessageOptions"]


class Visibility(StrEnum):
    """The users who may see a part of the API."""

    EVERYBODY = "everybody"
    STAFF = "staff"
    NOBODY = "nobody"


class Setting(NamedTuple):
    """A setting, as it is declared."""

    #: The heading under which the documentation lists it.
    theme: str
    #: The value if the host sets none. The name of another setting stands for its value.
    default: Any
    #: Converts the host's value.
    read: Callable[[Any], Any]
    #: The description for the documentation.
    meaning: str


def _under(theme: str) -> Callable[[Any, Callable[[Any], Any], str], Any]:
    return partial(Setting, theme)


# --- conversion of values ---------------------------------------------------------------------


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):  # its characters would be the items
        raise TypeError(f"it is a list: write [{value!r}]")
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise TypeError("it is a list of texts")
    if wrong := [each for each in value if not isinstance(each, str)]:
        raise TypeError(f"it is a list of texts, and {wrong[0]!r} is not a text")
    return tuple(value)


def _boolean(value: Any) -> bool:
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


def _visibility(value: Any) -> Visibility | None:
    return None if value is None else Visibility(value)


#: Default rates; the host overrides each of them separately. A client of the DASF protocol creates
#: one topic for each of its connections.
_USER_RATES = {Activity.CREATE.value: "600/h"}
_ADDRESS_RATES = {
    Activity.CREATE.value: "6000/h",
    Activity.FAILED_AUTHENTICATION.value: "30/m",
}


# --- topics and messages ---------------------------------------------------------------------

_topics_and_messages = _under("Topics and messages")

DASF_CREATE_TOPIC_ON_MESSAGE: bool = _topics_and_messages(
    True, _boolean, "A message to an unknown topic creates it, if the user may add topics."
)
DASF_STORE_MESSAGES: StoreMessageOptions = _topics_and_messages(
    StoreMessageOptions.CACHE,
    StoreMessageOptions,
    "How long messages are kept: `disabled`, `cache`, `cacheall` or `store`.",
)
DASF_STORE_RESPONSE_MESSAGES: StoreMessageOptions = _topics_and_messages(
    "DASF_STORE_MESSAGES", StoreMessageOptions, "The same for response topics."
)
DASF_STORE_SOURCE_MESSAGES: StoreMessageOptions = _topics_and_messages(
    "DASF_STORE_MESSAGES", StoreMessageOptions, "The same for all other topics."
)
DASF_MAX_NEW_TOPICS: int = _topics_and_messages(
    50,
    _positive(int),
    "Most topics that the messages of one caller create in one request, and in requests that are "
    "written together. Messages that would create more are refused with `RATE_LIMITED`.",
)
DASF_ANONYMOUS_RESPONSE_TOPICS: bool = _topics_and_messages(
    False,
    _boolean,
    "Anonymous callers may name response topics. All of them are one user: each reads and "
    "acknowledges the answers to all others.",
)
DASF_FREE_RESPONSE_TOPIC_NAMES: bool = _topics_and_messages(
    False,
    _boolean,
    "New response topics may have any name. By default the name begins with the name of the topic, "
    "unless the caller may add topics: `weather_kWzPqXbT`. With free names, a caller can find out "
    "which names hidden topics have.",
)
DASF_MAX_MESSAGE_SIZE: int = _topics_and_messages(
    1024 * 1024,
    _positive(int),
    "Most bytes of one message, its body in base64 and its properties included.",
)
DASF_MAX_BACKLOG: int = _topics_and_messages(
    100_000,
    _positive(int),
    "Most messages that one topic stores. Further messages are refused with `TOPIC_FULL`.",
)
DASF_MESSAGE_ID_MEMORY: float = _topics_and_messages(
    24 * 60 * 60.0,
    _positive(float),
    "Seconds for which the id of a removed message is kept, so that a message that is sent "
    "again is not published twice.",
)
DASF_PONG_GRACE: float = _topics_and_messages(
    5.0,
    _positive(float),
    "Seconds that a consumer has to answer a ping before the subscription `availability` reports "
    "it offline.",
)

# --- addresses and pages ---------------------------------------------------------------------

_addresses = _under("Addresses and pages")

DASF_WEBSOCKET_URL_ROUTE: str = _addresses(
    "ws/", str, "Path below which the DASF websockets are served."
)
ROOT_URL: str | None = _addresses(
    None,
    _optional_text,
    "Public root URL of the site behind a proxy; by default that of the request.",
)
DASF_GRAPHQL_SCHEMA: str = _addresses(
    "dasf_broker.schema.schema", str, "Dotted path of the strawberry schema that is served."
)
DASF_GRAPHIQL: Visibility | None = _addresses(
    None,
    _visibility,
    "The users who may open GraphiQL, the page for browsers: `everybody`, `staff` or `nobody`. "
    "By default `everybody` while `DEBUG` is on, and `staff` otherwise.",
)
DASF_INTROSPECTION: Visibility | None = _addresses(
    None, _visibility, "The users who may query the schema: the same values and default."
)
DASF_GET_QUERIES: bool = _addresses(
    False,
    _boolean,
    "Whether clients may send queries, but no mutations, in the URL of a GET. They cannot use a "
    "session there.",
)

# --- lists and graphql documents -------------------------------------------------------------

_documents = _under("Lists and GraphQL documents")

DASF_PAGE_SIZE: int = _documents(
    100, _positive(int), "Items in a page if the query gives no number."
)
DASF_MAX_PAGE_SIZE: int = _documents(500, _positive(int), "Most items in a page.")
DASF_MAX_QUERY_SIZE: int = _documents(
    16 * 1024, _positive(int), "Most bytes of a GraphQL document."
)
DASF_MAX_QUERY_TOKENS: int = _documents(500, _positive(int), "Most tokens of a GraphQL document.")
DASF_MAX_QUERY_OPERATIONS: int = _documents(10, _positive(int), "Most operations of a document.")
DASF_MAX_QUERY_FRAGMENTS: int = _documents(50, _positive(int), "Most fragments of a document.")
DASF_MAX_QUERY_DEPTH: int = _documents(
    8, _positive(int), "Most levels of fields of an operation, including its fragments."
)
DASF_MAX_QUERY_ALIASES: int = _documents(
    15, _not_negative, "Most aliases of an operation, including its fragments."
)
DASF_MAX_QUERY_DIRECTIVES: int = _documents(
    50, _not_negative, "Most directives of an operation, including its fragments."
)
DASF_MAX_QUERY_REPEATS: int = _documents(
    50, _positive(int), "How often a selection may contain the same field, including its fragments."
)
DASF_MAX_QUERY_ITEMS: int = _documents(
    1000,
    _positive(int),
    "Most items in all lists of an operation's text, and in all lists of one variable.",
)
DASF_MAX_QUERY_COST: int = _documents(
    10_000,
    _positive(int),
    "Most fields in the result of an operation; fields in a page count once for each item.",
)
DASF_MAX_RESULT_SIZE: int = _documents(
    16 * 1024 * 1024,
    _positive(int),
    "Most bytes of the result of an operation, and of each result of a subscription. Pages of "
    "messages end at an eighth of it.",
)
DASF_MAX_PUBLISH_SIZE: int = _documents(
    8 * 1024 * 1024,
    _positive(int),
    "Most bytes of all messages that one operation publishes. One message of "
    "`DASF_MAX_MESSAGE_SIZE` is always allowed.",
)
DASF_MAX_INTROSPECTION_DEPTH: int = _documents(
    15, _positive(int), "Most levels of fields below `__schema` and `__type`."
)
DASF_MAX_INTROSPECTION_LISTS: int = _documents(
    2,
    _positive(int),
    "Most levels of nested lists of types and fields below `__schema` and `__type`.",
)

# --- delivery --------------------------------------------------------------------------------

_delivery = _under("Delivery")

DASF_MAILBOX_SIZE: int = _delivery(
    1000, _positive(int), "Most events that wait in memory for one slow subscriber."
)
DASF_MAILBOX_BYTES: int = _delivery(
    4 * 1024 * 1024, _positive(int), "Most bytes of these events, for one subscriber."
)
DASF_SEND_TIMEOUT: float = _delivery(
    30.0,
    _positive(float),
    "Seconds that a client may take to accept a frame before it is disconnected.",
)
DASF_EVENT_STREAM_KEEP_ALIVE: float = _delivery(
    15.0,
    _positive(float),
    "Seconds between the comments that keep a stream of server-sent events open.",
)
DASF_LOOK_INTERVAL: float = _delivery(
    2.0,
    _positive(float),
    "Seconds between two reads of the database for messages that the channel layer did not "
    "announce.",
)

# --- connections -----------------------------------------------------------------------------

_connections = _under("Connections")

DASF_CONNECTION_INIT_TIMEOUT: float = _connections(
    5.0, _positive(float), "Seconds that a new socket has to send `connection_init`."
)
DASF_BODY_TIMEOUT: float = _connections(
    30.0, _positive(float), "Seconds that a client may take to send the body of a request."
)
DASF_MAX_REQUEST_SIZE: int = _connections(
    256 * 1024,
    _positive(int),
    "Most bytes of a request over HTTP, and most characters of a frame, that publishes no message. "
    "Raise it if your own mutations take more.",
)
DASF_MAX_OPERATIONS_PER_SOCKET: int = _connections(
    100, _positive(int), "Most operations that run on one socket at once."
)
DASF_MAX_FRAME_SIZE: int = _connections(
    4 * 1024 * 1024, _positive(int), "Most characters of one frame that a client sends on a socket."
)
DASF_MAX_SOCKETS_PER_USER: int = _connections(
    1000, _not_negative, "Most sockets of one user in one process; 0: no limit."
)
DASF_MAX_SOCKETS_PER_ADDRESS: int = _connections(
    2000, _not_negative, "Most sockets of one address in one process; 0: no limit."
)
DASF_MAX_UNAUTHENTICATED_SOCKETS: int = _connections(
    5000,
    _not_negative,
    "Most sockets of one process whose client is not authenticated; 0: no limit.",
)
DASF_MAX_UNIDENTIFIED_SOCKETS: int = _connections(
    2000,
    _not_negative,
    "Most sockets of one process whose client has not said yet who it is, half of them from one "
    "address; 0: no limit.",
)
DASF_MAX_SOCKET_BYTES: int = _connections(
    16 * 1024 * 1024,
    _positive(int),
    "Most bytes of memory that the operations of one socket occupy: their documents and variables, "
    "from when they arrive to their end.",
)
DASF_MAX_SUBSCRIPTION_VARIABLES: int = _connections(
    64 * 1024,
    _positive(int),
    "Most bytes of the variables of a subscription, as JSON. They are kept until it ends.",
)

# --- origins, proxies and rates --------------------------------------------------------------

_origins_and_rates = _under("Origins, proxies and rates")

DASF_ALLOWED_ORIGINS: tuple[str, ...] = _origins_and_rates(
    (),
    _texts,
    "Other origins than the server's own whose pages may call the API, over sockets and over HTTP, "
    "like `https://app.example.org` or `https://*.example.org`. A visitor's session counts there. "
    "With `*`, pages of all origins may call, and their visitors need a token.",
)
DASF_NUM_PROXIES: int = _origins_and_rates(
    0,
    _not_negative,
    "Number of proxies in front of the server that add to `X-Forwarded-For`. With 0 that header "
    "is ignored.",
)
DASF_USER_RATES: Mapping[str, str | None] = _origins_and_rates(
    _USER_RATES,
    partial(read_rates, known=OF_USERS, defaults=_USER_RATES),
    "The rates of one user: `publish`, `publish_bytes`, `ping`, `query`, `subscribe`, `create`, "
    'each like `"1000/m"`. Anonymous callers are counted by address. A rate that you do not set '
    "keeps its default; `None`: no limit.",
)
DASF_ADDRESS_RATES: Mapping[str, str | None] = _origins_and_rates(
    _ADDRESS_RATES,
    partial(read_rates, known=OF_ADDRESSES, defaults=_ADDRESS_RATES),
    "The rates of all clients of one address: the same, and `failed_authentication`. A rate "
    "that you do not set keeps its default; `None`: no limit.",
)
DASF_RATE_CACHE: str = _origins_and_rates(
    "default",
    str,
    "The cache in `CACHES` that counts for the rates. All processes must share it.",
)

# --- database --------------------------------------------------------------------------------

_database = _under("Database")

DASF_DATABASE_THREADS: int = _database(
    4, _positive(int), "Threads of one process that read from the database."
)
DASF_DATABASE_TIMEOUT: float = _database(
    9.0,
    _positive(float),
    "Seconds after which a caller that waits for the database gets the error `UNAVAILABLE`.",
)
DASF_WRITER_QUEUE: int = _database(
    10_000,
    _positive(int),
    "Most messages and acknowledgements that wait to be written in one process.",
)
DASF_WRITER_BYTES: int = _database(
    64 * 1024 * 1024,
    _positive(int),
    "Most bytes of messages that wait to be written in one process.",
)

# --- server processes ------------------------------------------------------------------------

_process = _under("Server processes")

DASF_HOUSEKEEPING: bool = _process(
    True,
    _boolean,
    "Server processes do the housekeeping, one at a time. If you turn it off, run `manage.py "
    "dasf_housekeeping --loop`.",
)
DASF_RETURN_MEMORY: bool = _process(
    True,
    _boolean,
    "On Linux with glibc, a server process gives the memory of texts above 256 KiB back as soon as "
    "they are freed. Without it, large requests leave it larger. This affects all code of the "
    "process.",
)
DASF_TUNE_PROCESS: bool = _process(
    False,
    _boolean,
    "A server process prepares for many connections: garbage collection skips the objects that "
    "are loaded at its start, and threads switch after 0.3 ms instead of 5 ms. This affects all "
    "code of the process.",
)


# --- reading ----------------------------------------------------------------------------------

#: Every setting, by name.
DEFAULTS: dict[str, Setting] = {
    name: declared for name, declared in globals().items() if isinstance(declared, Setting)
}
for _name in DEFAULTS:  # from now on `__getattr__` returns the value
    del globals()[_name]


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
    # Kept in the module, so that later reads take no extra time.
    value = globals()[name] = _read(name)
    return value


@receiver(setting_changed)
def _forget(**_: Any) -> None:
    # Only tests change settings. All are read again, because one may be the default of another.
    for name in DEFAULTS:
        globals().pop(name, None)


def __dir__() -> list[str]:
    return sorted([*globals(), *DEFAULTS])
