"""Variables with short values: their lengths, before graphql-core repeats them in errors.

For each error, graphql-core writes the whole value around it, and shows only its beginning. A value
of a megabyte and fifty unknown fields take seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    VariableDefinitionNode,
    is_input_type,
    is_required_input_field,
    type_from_ast,
)

from dasf_broker.domain.texts import MAX_TEXT, kind_of, shown
from dasf_broker.schema.limits.errors import InvalidDocumentError

#: Scalars whose values are short. Others may be texts of any length.
_SHORT = {"Boolean", "Date", "DateTime", "Decimal", "Float", "ID", "Int", "Time", "UUID"}


@dataclass(frozen=True, slots=True)
class ShortValues:
    """The variables of one operation that have, or contain, values with a known form."""

    _variables: tuple[tuple[str, VariableDefinitionNode, _Form], ...]

    @classmethod
    def of(
        cls, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
    ) -> Self | None:
        """Return the variables to check, or ``None`` if there are none."""
        known: dict[str, _Object] = {}
        found = []
        for node in definitions:
            type_ = type_from_ast(schema, node.type)
            form = _form(type_, known) if type_ is not None and is_input_type(type_) else None
            if form is not None:
                found.append((node.variable.name.value, node, form))
        return cls(tuple(found)) if found else None

    def check(self, variables: Mapping[str, Any]) -> None:
        """Refuse values that are too long, or have another form than their type.

        Raises
        ------
        InvalidDocumentError
            There is such a value.
        """
        for name, node, form in self._variables:
            value = variables.get(name)
            problem = None if value is None else _problem(form, value)
            if problem is not None:
                text = f"The variable ${name} is wrong: {problem}"
                raise InvalidDocumentError([GraphQLError(text, node)])


def _problem(form: _Form, value: Any) -> str | None:
    try:
        return form.problem(value)
    except RecursionError:
        return "it is nested too deeply."


class _Form(ABC):
    """What is known of the values of a type."""

    @abstractmethod
    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value other than null."""


@dataclass(frozen=True, slots=True)
class _Leaf(_Form):
    """A text or another single value."""

    name: str
    is_short: bool

    def problem(self, value: Any) -> str | None:
        if isinstance(value, str):
            if self.is_short and len(value) > MAX_TEXT:
                return f"{self.name} is no text of {len(value)} characters ({shown(value)})."
        elif isinstance(value, (list, dict)):
            return f"{self.name} is not {kind_of(value)}."
        return None


@dataclass(frozen=True, slots=True)
class _List(_Form):
    """A list, or a single item of one."""

    item: _Form

    def problem(self, value: Any) -> str | None:
        problem = self.item.problem
        for each in value if isinstance(value, list) else (value,):
            if each is not None and (found := problem(each)) is not None:
                return found
        return None


@dataclass(slots=True)
class _Object(_Form):
    """An input object."""

    name: str
    fields: Mapping[str, GraphQLInputField]
    required: frozenset[str] = frozenset()
    forms: Mapping[str, _Form] | None = None

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"{self.name} is an object, not {kind_of(value)}."
        if not value.keys() <= self.fields.keys():
            unknown = next(each for each in value if each not in self.fields)
            return f"{self.name} has no field {shown(unknown)}."
        if not self.required <= value.keys():
            missing = next(each for each in self.fields if each in self.required - value.keys())
            return f"{self.name} needs the field '{missing}'."
        for name, form in (self.forms or {}).items():
            each = value.get(name)
            if each is not None and (found := form.problem(each)) is not None:
                return f"{name}: {found}"
        return None


def _form(type_: GraphQLInputType, known: dict[str, _Object]) -> _Form | None:
    if isinstance(type_, GraphQLNonNull):
        return _form(type_.of_type, known)
    if isinstance(type_, GraphQLList):
        item = _form(type_.of_type, known)
        return None if item is None else _List(item)
    if isinstance(type_, GraphQLInputObjectType):
        return known.get(type_.name) or _object(type_, known)
    is_short = isinstance(type_, GraphQLEnumType) or type_.name in _SHORT
    return _Leaf(type_.name, is_short) if is_short or type_.name == "String" else None


def _object(type_: GraphQLInputObjectType, known: dict[str, _Object]) -> _Object:
    required = frozenset(
        name for name, each in type_.fields.items() if is_required_input_field(each)
    )
    made = known[type_.name] = _Object(type_.name, type_.fields, required)
    # Afterwards: an input object may contain itself.
    forms = {name: _form(each.type, known) for name, each in type_.fields.items()}
    made.forms = {name: form for name, form in forms.items() if form is not None}
    return made
