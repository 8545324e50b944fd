"""Find objects by their global id."""

from __future__ import annotations

from strawberry import relay
from strawberry.relay.types import GlobalIDValueError

from dasf_broker.domain.cursors import MAX_POSITION
from dasf_broker.exceptions import BadInputError
from dasf_broker.schema.execution.context import Info


def primary_key(text: str) -> int:
    """Return the primary key in a global id.

    Raises
    ------
    BadInputError
        The id contains no primary key.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_POSITION))
    if not is_number or int(text) > MAX_POSITION:
        raise BadInputError("This is not an id that the broker gave you.", field="id")
    return int(text)


async def find_node(info: Info, node_id: relay.GlobalID) -> relay.Node | None:
    """Return the object with the id, or ``None`` if the caller may not see it.

    Raises
    ------
    BadInputError
        The id belongs to no object type of this schema.
    """
    try:
        return await node_id.resolve_node(info)
    except (GlobalIDValueError, NotImplementedError):  # the second for the interface `Node`
        raise BadInputError("This is not an id that the broker gave you.", field="id") from None
