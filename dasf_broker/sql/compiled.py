"""Statements that the ORM builds once, and that run many times with other values.

Django builds the SQL of each query again, which takes longer than a database needs to answer a
small one. Here it builds the text of a statement once for each number of values; later calls only
replace the values. Queries that are not simple enough run as Django always runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Generic, TypeVarTuple, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connections, models, router
from django.db.models.sql import DeleteQuery, UpdateQuery

from dasf_broker import clock

Values = TypeVarTuple("Values")

#: The longest list of values for which a statement is kept. For longer ones it is built each time.
LONGEST = 1024

#: Placeholders for values while a statement is built; their values are found in it again.
_SAMPLES: dict[type, Callable[[int], Any]] = {
    int: lambda number: 2_000_000_000 + number,
    str: lambda number: f"sample-{number}",
    UUID: lambda number: UUID(int=2**127 + number),
    datetime: lambda number: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
}

#: The type of each value and, of a list, how many places there are for its items.
_Shape = tuple[tuple[type, int | None], ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The text of a statement, and where its parameters come from."""

    #: The queryset, with samples in the place of values.
    queryset: models.QuerySet[Any]
    #: Django's data about the statement besides its text.
    compiler: Any
    sql: str
    #: For each parameter its place among the values and, behind them, the constants.
    places: tuple[int, ...]
    constants: tuple[Any, ...]

    def params(self, shape: _Shape, values: Sequence[Any], using: str) -> tuple[Any, ...]:
        given = [*_adapted(shape, values, using), *self.constants]
        return tuple([given[place] for place in self.places])


class _Statement(Generic[*Values]):
    """The base class of all kinds of statements; each is a decorator.

    Parameters
    ----------
    build
        Makes a queryset from values, each a single one or a list. The SQL must be the same for all
        values, and use each of them.
    """

    def __init__(self, build: Callable[[*Values], Any]) -> None:
        self._build: Callable[..., models.QuerySet[Any, Any]] = build
        self._compiled: dict[tuple[_Shape, str], _Compiled | None] = {}
        self._any: models.QuerySet[Any] | None = None

    def _find(self, values: Sequence[Any]) -> tuple[_Compiled, tuple[Any, ...], str] | None:
        """Return the statement for the values, its parameters, and its database."""
        if (shape := _shape(values)) is None:
            return None
        if self._any is None:  # any will do to ask the host's routers
            self._any = self._queryset(values)
        using = self._database(self._any)
        if (shape, using) not in self._compiled:  # by two threads at once it comes to the same
            self._compiled[shape, using] = self._compile(shape, using)
        if (compiled := self._compiled[shape, using]) is None:
            return None
        return compiled, compiled.params(shape, values, using), using

    def _compile(self, shape: _Shape, using: str) -> _Compiled | None:
        samples = _samples(shape)
        try:
            queryset = self._queryset(samples)
            compiler = self._compiler(samples, queryset, using)
            sql, params = compiler.as_sql()
        except (EmptyResultSet, TypeError, ValueError, ValidationError):
            return None  # these keys have a type of their own, for which samples are no values
        compiler.connection = None  # it belongs to this thread
        known = {each: place for place, each in enumerate(_adapted(shape, samples, using))}
        constants: list[Any] = []
        places = []
        for param in params:
            if isinstance(param, tuple(_SAMPLES)) and param in known:
                places.append(known[param])
            else:
                places.append(len(known) + len(constants))
                constants.append(param)
        if not set(known.values()) <= set(places):
            return None  # a field writes its values in a form of its own
        return _Compiled(queryset, compiler, sql, tuple(places), tuple(constants))

    def _queryset(self, values: Sequence[Any]) -> models.QuerySet[Any, Any]:
        return self._build(*values)

    def _database(self, queryset: models.QuerySet[Any]) -> str:
        return router.db_for_write(queryset.model)  # read there, too: a replica may lag behind

    def _compiler(self, values: Sequence[Any], queryset: models.QuerySet[Any], using: str) -> Any:
        raise NotImplementedError


class Selection(_Statement[*Values]):
    """A query; calling it returns its rows."""

    def __call__(self, *values: *Values) -> list[Any]:
        """Return the rows of the queryset for these values."""
        if (found := self._find(values)) is None:
            queryset = self._queryset(values)
            return list(queryset.using(self._database(queryset)))
        compiled, params, using = found
        compiler = copy(compiled.compiler)
        compiler.connection = connections[using]
        compiler.as_sql = lambda *_, **__: (compiled.sql, params)
        query = _Override(compiled.queryset.query, get_compiler=lambda *_, **__: compiler)
        rows: Any = compiled.queryset._iterable_class
        return list(rows(_Override(compiled.queryset, query=query, db=using)))

    def _compiler(self, _: Sequence[Any], queryset: models.QuerySet[Any], using: str) -> Any:
        return queryset.query.get_compiler(using=using)


class _Change(_Statement[*Values]):
    def __call__(self, *values: *Values) -> int:
        """Change the rows of the queryset for these values; return how many they were."""
        if (found := self._find(values)) is None:
            return self._plainly(values)
        compiled, params, using = found
        with connections[using].cursor() as cursor:
            cursor.execute(compiled.sql, params)
            return int(cursor.rowcount)

    def _plainly(self, values: Sequence[Any]) -> int:
        raise NotImplementedError


class Deletion(_Change[*Values]):
    """Deletes the rows of one table. Rows that refer to them must be deleted before."""

    def _compiler(self, _: Sequence[Any], queryset: models.QuerySet[Any], using: str) -> Any:
        return queryset.order_by().query.chain(DeleteQuery).get_compiler(using=using)

    def _plainly(self, values: Sequence[Any]) -> int:
        rows = self._queryset(values)
        return rows._raw_delete(self._database(rows)) or 0  # none, if there can be no rows


class Update(_Change[*Values]):
    """Sets a column to the first of the values, in the rows of the queryset for the others.

    Parameters
    ----------
    column
        The name of the field.
    build
        As for all statements.
    """

    def __init__(self, column: str, build: Callable[..., models.QuerySet[Any, Any]]) -> None:
        super().__init__(cast("Callable[[*Values], Any]", build))
        self._column = column

    def _queryset(self, values: Sequence[Any]) -> models.QuerySet[Any, Any]:
        return self._build(*values[1:])

    def _compiler(self, values: Sequence[Any], queryset: models.QuerySet[Any], using: str) -> Any:
        query: Any = queryset.order_by().query.chain(UpdateQuery)
        query.add_update_values({self._column: values[0]})
        return query.get_compiler(using=using)

    def _plainly(self, values: Sequence[Any]) -> int:
        return self._queryset(values).update(**{self._column: values[0]})

    def many(self, rows: Sequence[tuple[*Values]]) -> None:
        """Update several times, with single values of the same types. One query."""
        found = [each for each in map(self._find, rows) if each is not None]
        if len(found) < 2 or len(found) < len(rows):  # noqa: PLR2004 - one is simpler by itself
            for row in rows:
                self(*row)
            return
        compiled, _, using = found[0]
        with connections[using].cursor() as cursor:
            cursor.executemany(compiled.sql, [params for _, params, _ in found])


class _Override:
    """An object with some attributes replaced."""

    def __init__(self, original: Any, **own: Any) -> None:
        self._original = original
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _shape(values: Sequence[Any]) -> _Shape | None:
    shape: list[tuple[type, int | None]] = []
    for value in values:
        if isinstance(value, (list, tuple, set, frozenset)):
            types = set(map(type, value))
            if len(types) != 1 or len(value) > LONGEST:
                return None
            shape.append((types.pop(), 1 << (len(value) - 1).bit_length()))
        else:
            shape.append((type(value), None))
    return tuple(shape) if all(kind in _SAMPLES for kind, _ in shape) else None


def _samples(shape: _Shape) -> list[Any]:
    numbers = count(1)
    return [
        _SAMPLES[kind](next(numbers))
        if places is None
        else [_SAMPLES[kind](next(numbers)) for _ in range(places)]
        for kind, places in shape
    ]


def _adapted(shape: _Shape, values: Sequence[Any], using: str) -> Iterator[Any]:
    """Yield the values, one for each place, in the form that the database takes."""
    for (kind, places), value in zip(shape, values, strict=True):
        items = [value] if places is None else [*value]
        if kind is UUID and not connections[using].features.has_native_uuid_field:
            items = [each.hex for each in items]
        elif kind is datetime:
            items = [_adapted_time(each, connections[using]) for each in items]
        yield from items
        if places is not None:  # the last one once more does not change what is in a list
            yield from items[-1:] * (places - len(items))


def _adapted_time(time: datetime, connection: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(clock.to_store(time, connection))
