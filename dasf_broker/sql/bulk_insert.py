"""Insert rows without creating model objects, all rows of a model by one statement.

It works as ``bulk_create``, but the ORM builds the statement once, and the keys that the database
gives to the rows are not read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    #: Whether all rows go into one statement, each column as an array (PostgreSQL).
    takes_columns: bool


class BulkInsert:
    """Writes rows of a model.

    Parameters
    ----------
    model
        The model of the rows. Of a model with parent models only its own columns are written.
    columns
        The attributes of the model, in the order of the values.
    replacing
        The columns that identify an existing row. Such a row is overwritten.
    """

    def __init__(
        self, model: type[models.Model], *columns: str, replacing: Sequence[str] = ()
    ) -> None:
        self._model = model
        self._columns = columns
        self._replacing = replacing
        self._compiled: dict[tuple[str, bool], _Compiled] = {}

    def __call__(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, given by their values."""
        if not rows:
            return
        using = router.db_for_write(self._model)
        compiled = self._find(using, is_single=len(rows) == 1)
        columns: list[Any] = self._adapted(rows, using)
        with transaction.mark_for_rollback_on_error(using), connections[using].cursor() as cursor:
            if compiled.takes_columns:
                cursor.execute(compiled.sql, columns)
            elif len(rows) == 1:
                cursor.execute(compiled.sql, [value for (value,) in columns])
            else:
                cursor.executemany(compiled.sql, [*zip(*columns, strict=True)])

    def _find(self, using: str, *, is_single: bool) -> _Compiled:
        key = using, is_single
        if key not in self._compiled:
            sql, params = self._compile(using, count=1 if is_single else 2)
            takes_columns = not is_single and len(params) == len(self._columns)
            if not is_single and not takes_columns:  # it has a place for each value: one row then
                sql, _ = self._compile(using, count=1)
            self._compiled[key] = _Compiled(sql, takes_columns)
        return self._compiled[key]

    def _compile(self, using: str, count: int) -> tuple[str, Sequence[Any]]:
        query = InsertQuery(
            self._model,
            on_conflict=OnConflict.UPDATE if self._replacing else None,
            update_fields=[each for each in self._fields if each.attname not in self._replacing],
            unique_fields=[each for each in self._fields if each.attname in self._replacing],
        )
        sample = dict.fromkeys(self._columns)
        query.insert_values(self._fields, [self._model(**sample) for _ in range(count)])
        [statement] = query.get_compiler(using=using).as_sql()
        return statement  # type: ignore[no-any-return]

    @cached_property
    def _fields(self) -> list[Any]:
        fields = {field.attname: field for field in self._model._meta.concrete_fields}
        return [fields[name] for name in self._columns]

    def _adapted(self, rows: Sequence[Sequence[Any]], using: str) -> list[Sequence[Any]]:
        """Return the values column by column, in the form that the database takes."""
        columns = zip(*rows, strict=True)
        return [
            _adapt(field, column, using)
            for field, column in zip(self._fields, columns, strict=True)
        ]


def _adapt(field: Any, column: Sequence[Any], using: str) -> list[Any]:
    prepare = partial(field.get_db_prep_save, connection=connections[using])
    if isinstance(field, models.JSONField):
        return [prepare(value) for value in column]
    # Most columns hold few different values: one topic, one user, one time.
    prepared = {value: prepare(value) for value in set(column)}
    return [prepared[value] for value in column]
