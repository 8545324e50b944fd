"""A small Sphinx extension: parts of pages that are made from the code, so never stale.

A line ``<!-- generated: settings -->`` in a page is replaced by what ``PARTS["settings"]`` returns.
"""

from __future__ import annotations

import inspect
import io
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import graphql
from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "graphql"

#: README.md is no page of the site, whose first page says the same.
_README = re.compile(r"\]\(\.\./README\.md(#[^)]*)?\)")
_PLACE = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)


def setup_django() -> None:
    """Make the code importable, on settings that leave nothing behind."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "testproject.settings"
    os.environ.setdefault("DASF_VAR", tempfile.gettempdir())
    os.environ["COLUMNS"] = "88"  # the width of the commands' help
    import django

    django.setup()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill_in(_app: Sphinx, _docname: str, source: list[str]) -> None:
    text = _README.sub("](/index.md)", source[0])
    source[0] = _PLACE.sub(lambda match: PARTS[match[1]](), text)


# --- from the code ----------------------------------------------------------------------------


def settings() -> str:
    """Return all settings, each with its default and meaning."""
    from dasf_broker.app_settings import DEFAULTS

    sections: list[str] = []
    theme = None
    for name, setting in DEFAULTS.items():
        if setting.theme != theme:
            theme = setting.theme
            sections.append(f"## {theme}")
        section = f"### {name}\n\n{setting.meaning}\n\nDefault: {_default(setting.default)}"
        kind = f" · type: `{_annotation(name)}`"
        sections.append(section + kind)
    return "\n\n".join(sections)


def errors() -> str:
    """Return all codes of errors."""
    from dasf_broker.exceptions import INTERNAL, BrokerError

    rows = [
        [f"`{kind.code}`", _plain(_first_line(kind)), f"`{kind.__name__}`"]
        for kind in BrokerError.__subclasses__()
    ]
    rows.append(
        [f"`{INTERNAL}`", "A fault of the server; `logId` finds it in its log.", "any other"]
    )
    return _table(["code", "meaning", "in Python"], rows)


def closings() -> str:
    """Return all codes that close a socket."""
    from dasf_broker.transports.connection.close_codes import CloseCode

    rows = [[f"`{c.value}`", c.meaning, "yes" if c.retry else "no"] for c in CloseCode]
    return _table(["close code", "meaning", "try again"], rows)


def commands() -> str:
    """Return what each command does, and its help."""
    from django.core.management import get_commands, load_command_class

    ours = {
        name: load_command_class("dasf_broker", name)
        for name, app in sorted(get_commands().items())
        if app == "dasf_broker"
    }
    rows = [[f"[{name}](#{name})", _first_sentence(each.help)] for name, each in ours.items()]
    helps = [f"## {name}\n\n```text\n{_help(each, name)}\n```" for name, each in ours.items()]
    return "\n\n".join([_table(["command", "what it does"], rows), *helps])


def checks() -> str:
    """Return what the system checks say about themselves."""
    from dasf_broker import checks

    rows = [row for name in checks.__all__ for row in _told_by(getattr(checks, name))]
    return _table(["check", "tells"], [[f"`dasf_broker.{n}`", what] for n, what in sorted(rows)])


def _told_by(module: ModuleType) -> list[tuple[str, str]]:
    text = (inspect.getdoc(module) or "").split("\n\n")[1].replace("\n", " ")
    return re.findall(r"``(?:dasf_broker\.)?([EW]\d+)`` (.*?)(?: · |\.$)", text)


# --- from the schema --------------------------------------------------------------------------

_SCALARS = {"Boolean", "Float", "ID", "Int", "String"}


def schema() -> str:
    """Return the GraphQL schema: operations first, with examples, then types by name."""
    built = graphql.build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    roots = {"Query": built.query_type, "Mutation": built.mutation_type}
    roots["Subscription"] = built.subscription_type
    used = [each.name for each in roots.values() if each]
    types = [
        type_
        for name, type_ in sorted(built.type_map.items())
        if not name.startswith("__") and name not in {*_SCALARS, *used}
    ]
    parts = [_operations(title, type_) for title, type_ in roots.items() if type_]
    parts += ["## Types", *map(_type, types)]
    return "\n\n".join(parts)


def _operations(title: str, root: graphql.GraphQLObjectType) -> str:
    examples = _examples()
    parts = [f"## {title}"]
    for name, field in root.fields.items():
        parts += [
            f"### {title.lower()} {name}",
            f"{field.description}",
            f"Answers {_link(field.type)}.",
        ]
        if field.args:
            rows = [_argument(key, argument) for key, argument in field.args.items()]
            parts.append(_table(["argument", "type", "meaning"], rows))
        parts += [f"```graphql\n{text}```" for text in examples.get(name, [])]
    return "\n\n".join(parts)


def _examples() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(EXAMPLES.glob("*.graphql")):
        text = path.read_text(encoding="utf-8")
        for definition in graphql.parse(text).definitions:
            if isinstance(definition, graphql.OperationDefinitionNode):
                for field in definition.selection_set.selections:
                    if isinstance(field, graphql.FieldNode):
                        found.setdefault(field.name.value, []).append(text)
    return found


def _type(type_: graphql.GraphQLNamedType) -> str:
    parts = [f"({_anchor(type_.name)})=\n### {type_.name}", _kind(type_), type_.description or ""]
    match type_:
        case graphql.GraphQLEnumType():
            rows = [[f"`{n}`", _cell(v.description)] for n, v in type_.values.items()]
            parts.append(_table(["value", "meaning"], rows))
        case graphql.GraphQLInputObjectType():
            rows = [_argument(name, field) for name, field in type_.fields.items()]
            parts.append(_table(["field", "type", "meaning"], rows))
        case graphql.GraphQLObjectType() | graphql.GraphQLInterfaceType():
            rows = [
                [_signature(n, f), _link(f.type), _cell(f.description)]
                for n, f in type_.fields.items()
            ]
            parts.append(_table(["field", "type", "meaning"], rows))
        case graphql.GraphQLUnionType():
            parts.append(", ".join(map(_link, type_.types)))
    return "\n\n".join(filter(None, parts))


def _kind(type_: graphql.GraphQLNamedType) -> str:
    kind = type(type_).__name__.removeprefix("GraphQL").removesuffix("Type")
    text = {"InputObject": "input", "Object": "type"}.get(kind, kind.lower())
    if interfaces := getattr(type_, "interfaces", ()):
        text += " that implements " + ", ".join(map(_link, interfaces))
    if url := getattr(type_, "specified_by_url", None):
        text += f", specified at <{url}>"
    return f"*{text}*"


def _signature(name: str, field: graphql.GraphQLField) -> str:
    return f"`{name}({', '.join(field.args)})`" if field.args else f"`{name}`"


def _argument(name: str, argument: Any) -> list[str]:
    default = argument.default_value
    text = _cell(argument.description)
    if default is not graphql.Undefined and default is not None:
        ast = graphql.ast_from_value(default, argument.type)
        text += f" Default: `{graphql.print_ast(ast)}`." if ast else ""
    return [f"`{name}`", _link(argument.type), text]


def _link(type_: Any) -> str:
    named = graphql.get_named_type(type_)
    text = str(type_)
    if named.name in _SCALARS:
        return f"`{text}`"
    return f"[`{text}`](#{_anchor(named.name)})"


def _anchor(name: str) -> str:
    return f"graphql-{name}"


# --- as Markdown ------------------------------------------------------------------------------


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", r"\|")


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _first_sentence(text: str) -> str:
    return f"{text.partition('. ')[0].rstrip('.')}."


def _default(default: Any) -> str:
    from dasf_broker.app_settings import DEFAULTS

    if isinstance(default, str) and default in DEFAULTS:
        return f"as [](#{default.lower()})"
    value = default.value if isinstance(default, Enum) else default
    return f"`{value!r}`".replace("'", '"')


def _annotation(name: str) -> str:
    # At run time the name is no longer there: the declaration became an entry of DEFAULTS.
    source = (ROOT / "dasf_broker" / "app_settings.py").read_text(encoding="utf-8")
    [found] = re.findall(rf"^{name}: (.*?) = ", source, re.MULTILINE)
    return str(found)


def _help(command: Any, name: str) -> str:
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        command.create_parser("manage.py", name).parse_args(["--help"])
    return text.getvalue().strip()


#: What pages may ask for.
PARTS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "errors": errors,
    "closings": closings,
    "commands": commands,
    "checks": checks,
    "schema": schema,
}
