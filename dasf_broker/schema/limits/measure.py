"""Measure the size of a document with its fragments, without expanding them.

Each selection is visited once. The measure of a fragment is stored, and added wherever the
fragment is spread. So the work grows with the text of the document, and not with its expansion:
a few hundred bytes of fragments that spread each other twice expand to millions of fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

from dasf_broker import app_settings
from dasf_broker.schema.limits.cost import (
    INTROSPECTION,
    Cost,
    batch_size,
    is_paged,
    page_size,
    total,
)
from dasf_broker.schema.limits.errors import InvalidDocumentError

_INTROSPECTION_FIELDS = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}

#: Lists of introspection that lead from type to type.
_INTROSPECTION_LISTS = {"fields", "inputFields", "interfaces", "possibleTypes"}


@dataclass(slots=True)
class Measure:
    """The measure of a selection set, a fragment or an operation."""

    #: Levels of fields, and levels of nested lists of introspection.
    depth: int = 0
    lists: int = 0
    #: The same below ``__schema`` and ``__type``, which have limits of their own.
    introspection_depth: int = 0
    introspection_lists: int = 0
    aliases: int = 0
    directives: int = 0
    #: Items of all lists in the text.
    items: int = 0
    #: How often each name occurs here, and the maximum here and on deeper levels.
    names: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    #: Whether it has pages of lists, and bodies of messages or JSON values.
    pages: bool = False
    bodies: bool = False
    #: The fields selected here, by their own names.
    fields: set[str] = field(default_factory=set)
    #: Costs that count once, and those that count for each item of the list around them.
    once: list[Cost] = field(default_factory=list)
    each: list[Cost] = field(default_factory=list)

    @property
    def introspects(self) -> bool:
        """Whether it queries the schema."""
        return self.introspection_depth > 0

    @property
    def cost(self) -> Cost:
        """The cost of the whole, each list counted as one item."""
        return total([*self.once, *self.each])

    def add(self, other: Measure, *, deeper: int = 0) -> None:
        """Add another measure, except for its names, fields and costs."""
        self.depth = max(self.depth, other.depth + deeper)
        self.lists = max(self.lists, other.lists)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.introspection_lists = max(self.introspection_lists, other.introspection_lists)
        self.aliases += other.aliases
        self.directives += other.directives
        self.items += other.items
        self.repeats = max(self.repeats, other.repeats)
        self.pages = self.pages or other.pages
        self.bodies = self.bodies or other.bodies


class Measuring:
    """The measures of all operations and fragments of one document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._default = app_settings.DASF_PAGE_SIZE
        self._most = app_settings.DASF_MAX_PAGE_SIZE
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }
        self._known: dict[str, Measure | None] = {}
        #: How many selections were visited.
        self.visited = 0
        self.measures = [
            (each, self._definition(each))
            for each in document.definitions
            if isinstance(each, (OperationDefinitionNode, FragmentDefinitionNode))
        ]

    def _definition(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> Measure:
        if isinstance(node, FragmentDefinitionNode):
            if self._fragments[node.name.value] is node:
                return self._fragment(node)
            root = self._schema.get_type(node.type_condition.name.value)
        else:
            root = self._schema.get_root_type(node.operation)
        made = self._selection_set(node.selection_set, root)
        self._count_directives(made, node.directives)
        if isinstance(node, OperationDefinitionNode):
            for each in node.variable_definitions or ():
                self._count_directives(made, each.directives)
                self._count_items(made, [each.default_value] if each.default_value else ())
        return made

    def _fragment(self, node: FragmentDefinitionNode) -> Measure:
        name = node.name.value
        if name not in self._known:
            self._known[name] = None  # being measured
            root = self._schema.get_type(node.type_condition.name.value)
            made = self._selection_set(node.selection_set, root)
            self._count_directives(made, node.directives)
            # Summed up once, even if it is spread many times.
            made.once, made.each = [total(made.once)], [total(made.each)]
            self._known[name] = made
        if (known := self._known[name]) is None:
            text = f"Fragment {name!r} contains itself."
            raise InvalidDocumentError([GraphQLError(text, node)])
        return known

    def _selection_set(self, node: SelectionSetNode, parent: GraphQLNamedType | None) -> Measure:
        made = Measure()
        self._select(made, node, parent)
        made.repeats = max(made.repeats, *made.names.values(), 0)
        return made

    def _select(
        self, made: Measure, node: SelectionSetNode, parent: GraphQLNamedType | None
    ) -> None:
        for each in node.selections:
            self.visited += 1
            self._count_directives(made, each.directives)
            if isinstance(each, FieldNode):
                self._field(made, each, parent)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition
                known = self._schema.get_type(condition.name.value) if condition else parent
                self._select(made, each.selection_set, known)
            elif isinstance(each, FragmentSpreadNode) and each.name.value in self._fragments:
                spread = self._fragment(self._fragments[each.name.value])
                made.add(spread)
                made.names.update(spread.names)
                made.fields |= spread.fields
                made.once += spread.once
                made.each += spread.each

    def _field(self, made: Measure, node: FieldNode, parent: GraphQLNamedType | None) -> None:
        name = node.name.value
        definition = self._find(parent, name)
        made.names[node.alias.value if node.alias else name] += 1
        made.fields.add(name)
        made.aliases += node.alias is not None
        self._count_items(made, [each.value for each in node.arguments or ()])
        if node.selection_set is None:
            made.depth = max(made.depth, 1)
            made.once.append(Cost(1))
            made.bodies = made.bodies or (definition is not None and _is_body(name, definition))
            return
        inner = get_named_type(definition.type) if definition else None
        below = self._selection_set(node.selection_set, inner)
        if name in INTROSPECTION:
            below = Measure(
                depth=0,
                introspection_depth=1 + below.depth,
                introspection_lists=below.lists,
                aliases=below.aliases,
                directives=below.directives,
                items=below.items,
                repeats=below.repeats,
            )
            made.once.append(Cost(INTROSPECTION[name]))
        else:
            below.lists += name in _INTROSPECTION_LISTS
            made.once.append(Cost(1))
            self._add_cost(made, node, definition, parent, below)
        made.add(below, deeper=1)

    def _add_cost(
        self,
        made: Measure,
        node: FieldNode,
        definition: GraphQLField | None,
        parent: GraphQLNamedType | None,
        below: Measure,
    ) -> None:
        once, each = total(below.once), total(below.each)
        arguments = node.arguments or ()
        if definition is not None and is_paged(definition):
            made.pages = True
            each = each.times(page_size(arguments, self._default, self._most))
        elif parent is self._schema.mutation_type:
            each = each.times(batch_size(definition, arguments))
        elif definition is not None and is_list_type(get_nullable_type(definition.type)):
            # The field around this one determines how many items there are.
            made.each += [once, each]
            return
        made.once += [once, each]

    def _find(self, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
        # The validation, which comes later, refuses unknown fields.
        fields: dict[str, GraphQLField] = getattr(parent, "fields", {})
        return fields.get(name) or _INTROSPECTION_FIELDS.get(name)

    def _count_directives(self, made: Measure, nodes: Sequence[DirectiveNode] | None) -> None:
        for each in nodes or ():
            made.directives += 1
            self._count_items(made, [argument.value for argument in each.arguments or ()])

    def _count_items(self, made: Measure, values: Iterable[ValueNode]) -> None:
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if isinstance(value, ListValueNode):
                made.items += len(value.values)
                waiting += value.values
            elif isinstance(value, ObjectValueNode):
                waiting += [each.value for each in value.fields]


def _is_body(name: str, field: GraphQLField) -> bool:
    """Tell whether a field without subfields may be long."""
    return name in ("payload", "text") or get_named_type(field.type).name == "JSON"
