"""Names of types: a prefix for those of the broker, where a host has types of the same names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from graphql import GraphQLAbstractType, GraphQLInterfaceType
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.lazy_type import LazyType
from strawberry.utils.typing import eval_type

_PACKAGE = __name__.partition(".")[0]


class PrefixedNames(NameConverter):
    """Puts a prefix before the names of the broker's types, and changes no other name.

    Parameters
    ----------
    prefix
        The beginning of the names: with ``Dasf`` the type ``Message`` is ``DasfMessage``.
    auto_camel_case
        As for strawberry's own converter.
    """

    def __init__(self, prefix: str, *, auto_camel_case: bool = True) -> None:
        super().__init__(auto_camel_case)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", prefix, re.ASCII):
            raise ValueError(f"A prefix of types is a word of letters and digits, not {prefix!r}.")
        self._prefix = prefix

    def from_object(self, object_type: StrawberryObjectDefinition) -> str:
        """Return the name of an object type, an interface or an input type."""
        name = super().from_object(object_type)
        # The name of a list begins with that of its items, which has the prefix already.
        return name if _is_list(object_type) else self._prefixed(name, object_type.origin)

    def from_enum(self, enum: StrawberryEnumDefinition) -> str:
        """Return the name of an enumeration."""
        return self._prefixed(super().from_enum(enum), enum.wrapped_cls)

    def get_name_from_type(self, type_: Any) -> str:
        """Return the name of a type as a part of the name of a list of it."""
        type_ = eval_type(type_)
        if isinstance(type_, LazyType):
            type_ = type_.resolve_type()
        name = super().get_name_from_type(type_)
        if isinstance(type_, StrawberryEnumDefinition):
            return self._prefixed(name, type_.wrapped_cls)
        if has_object_definition(type_) and not _is_list(type_.__strawberry_definition__):
            return self._prefixed(name, type_)
        return name

    def _prefixed(self, name: str, kind: Any) -> str:
        is_ours = kind.__module__.partition(".")[0] == _PACKAGE
        return f"{self._prefix}{name}" if is_ours else name


def with_prefix(config: StrawberryConfig | None, prefix: str | None) -> StrawberryConfig | None:
    """Return the configuration of a schema whose types of the broker have a prefix.

    Raises
    ------
    ValueError
        The prefix is no word, or the configuration names types in a way of its own.
    """
    if prefix is None:
        return config
    config = config or StrawberryConfig()
    names = config.name_converter
    if type(names) is not NameConverter:
        raise ValueError(
            f"A prefix and {type(names).__name__} both name the types: let it inherit from "
            "`dasf_broker.schema.PrefixedNames`, and leave out the prefix."
        )
    camel = names.auto_camel_case
    return replace(config, name_converter=PrefixedNames(prefix, auto_camel_case=camel))


def resolve_types_by_class(converter: GraphQLCoreConverter) -> None:
    """Let interfaces find the types of objects by their classes, whatever the names are.

    Strawberry takes the name without the prefix, which may be that of a type of the host.
    """
    names = {id(each.definition): name for name, each in converter.type_map.items()}
    for each in converter.type_map.values():
        interface, definition = each.implementation, each.definition
        if isinstance(interface, GraphQLInterfaceType) and not _has_own_way(definition):
            interface.resolve_type = partial(_resolve, names, interface.resolve_type)


def _resolve(
    names: Mapping[int, str], otherwise: Any, value: Any, info: Any, abstract: GraphQLAbstractType
) -> Any:
    definition = getattr(type(value), "__strawberry_definition__", None)
    name = names.get(id(definition))
    return otherwise(value, info, abstract) if name is None else name


def _has_own_way(definition: Any) -> bool:
    return definition.resolve_type is not None


def _is_list(definition: StrawberryObjectDefinition) -> bool:
    generic = definition.concrete_of
    return generic is not None and generic.is_graphql_generic
