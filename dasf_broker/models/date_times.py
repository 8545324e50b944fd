"""The field for times in the tables of the broker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone

from dasf_broker import clock


class _Moment(DeferredAttribute):
    """The attribute of a row, which has an offset whatever it is set to."""

    def __set__(self, row: Any, value: Any) -> None:
        row.__dict__[self.field.attname] = _moment(value)


class _DateTimeField(models.DateTimeField):  # type: ignore[type-arg]  # noqa: TID251 - only here
    """A column whose values have an offset, also in projects with ``USE_TZ = False``.

    Migrations do not see a difference from Django's field.
    """

    descriptor_class = DeferredAttribute if settings.USE_TZ else _Moment

    def get_db_converters(self, connection: Any) -> list[Callable[..., Any]]:  # noqa: ARG002
        """Return what turns a local time of the database into a moment."""
        return [] if settings.USE_TZ else [_read]

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Return the value to write: for ``auto_now_add`` the present moment."""
        if add and self.auto_now_add:
            setattr(model_instance, self.attname, clock.now())
            return getattr(model_instance, self.attname)
        return super().pre_save(model_instance, add)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return a moment as the database takes it."""
        if not prepared:
            value = self.get_prep_value(value)
        if isinstance(value, datetime):
            value = clock.to_store(value, connection)
        return super().get_db_prep_value(value, connection, prepared=True)

    def deconstruct(self) -> Any:
        """Return Django's own field, for migrations."""
        name, _, args, options = super().deconstruct()
        if options.get("default") is clock.now:
            options["default"] = timezone.now  # noqa: TID251 - what it replaces
        return name, "django.db.models.DateTimeField", args, options


if TYPE_CHECKING:
    DateTimeField = models.DateTimeField  # noqa: TID251 - its types are the same
else:
    DateTimeField = _DateTimeField


def _read(value: Any, *_: Any) -> Any:
    return _moment(value)


def _moment(value: Any) -> Any:
    return clock.moment(value) if isinstance(value, datetime) else value
