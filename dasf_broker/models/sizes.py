"""The column with the size of another column, which is set whenever a row is saved."""

from __future__ import annotations

from typing import Any

from django.db import models

from dasf_broker.domain.sizes import json_size


class SizeField(models.IntegerField):  # type: ignore[type-arg]
    """The bytes of a JSON column; ``NULL`` where they were not counted.

    Rows can be asked for their size without reading them. It may be null and has no default,
    because a database then adds the column without writing its rows again.

    Parameters
    ----------
    of
        The name of the JSON column.
    """

    def __init__(self, *args: Any, of: str = "", **options: Any) -> None:
        super().__init__(*args, **{"null": True, "editable": False, **options})
        self._of = of

    def deconstruct(self) -> Any:
        """Return a plain number for migrations, which set it themselves."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.IntegerField", args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return the size of what the row is saved with, if it was loaded."""
        if self._of and self._of not in model_instance.get_deferred_fields():
            value = getattr(model_instance, self._of)
            setattr(model_instance, self.attname, 0 if value is None else json_size(value))
        return super().pre_save(model_instance, add)

    def saved_with(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a model's ``save`` so that the size follows its column."""
        names = options.get("update_fields")
        if names is None or self._of not in names:
            return options
        return {**options, "update_fields": {*names, self.name}}
