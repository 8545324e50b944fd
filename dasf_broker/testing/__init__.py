"""Tools for the tests of a host project. See the guide "Test your code".

They are loaded when they are used first, so that a test module or a ``conftest.py`` may import
them before Django is ready.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dasf_broker.testing.capture import (
        Captured,
        CapturedAcknowledgement,
        CapturedPing,
        CapturedPong,
        captured,
    )
    from dasf_broker.testing.client import GraphQLClient, OperationError
    from dasf_broker.testing.socket import GraphQLSocket, Results

__all__ = [
    "Captured",
    "CapturedAcknowledgement",
    "CapturedPing",
    "CapturedPong",
    "GraphQLClient",
    "GraphQLSocket",
    "OperationError",
    "Results",
    "captured",
]

_MODULES = {
    "GraphQLClient": "client",
    "GraphQLSocket": "socket",
    "OperationError": "client",
    "Results": "socket",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'capture')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
