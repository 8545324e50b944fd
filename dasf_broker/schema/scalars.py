"""Scalars of strawberry, here with a description, a link to their specification, and strict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from strawberry.schema.types.base_scalars import DateTimeDefinition, UUIDDefinition, wrap_parser
from strawberry.types.scalar import ScalarDefinition

from dasf_broker import clock
from dasf_broker.domain.texts import parse_uuid
from dasf_broker.domain.times import in_calendar

_write = cast("Callable[[datetime], str]", DateTimeDefinition.serialize)

SCALARS: dict[object, ScalarDefinition] = {
    UUID: replace(
        UUIDDefinition,
        description="A UUID as text, as in RFC 9562.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
        parse_value=wrap_parser(parse_uuid, "UUID"),
    ),
    datetime: replace(
        DateTimeDefinition,
        description="A date and time with its offset from UTC, as in RFC 3339.",
        serialize=lambda time: _write(clock.to_show(time)),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        parse_value=wrap_parser(
            in_calendar(cast("Any", DateTimeDefinition.parse_value)), "DateTime"
        ),
    ),
}
