"""Regular expressions: those whose time grows with more than the length of the text.

An expression is slow if two unbounded repeats stand side by side and match the same character, for
there are as many ways to share a text as it has characters. So is a search for an expression that
begins with an unbounded repeat: each character of a long run begins an attempt.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from re import _compiler, _constants, _parser  # type: ignore[attr-defined] # isort: skip

#: Functions that try an expression at each character of a text.
SEARCHING = {"search", "sub", "subn", "findall", "finditer", "split"}
ANCHORED = {"compile", "match", "fullmatch", "RegexValidator", "re_path"}

#: The characters that are tried: those that expressions name, and some that they do not.
_ALPHABET = [*map(chr, range(0x180)), "\u0301", "\u0661", "\u2003", "\U0001f600"]

Characters: TypeAlias = frozenset[str]

_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}
_NOTHING = {_constants.AT, _constants.ASSERT, _constants.ASSERT_NOT}


class Edges(NamedTuple):
    """The unbounded repeats at the beginning and at the end of a part of an expression."""

    first: set[Characters]
    last: set[Characters]
    may_be_empty: bool


class Found(NamedTuple):
    """An expression in the source."""

    place: str
    expression: str
    flags: int
    #: Whether it is tried at each character of a text.
    is_searched: bool


class SlowExpressionError(Exception):
    """The time of an expression grows with more than the length of the text."""


def check(expression: str, flags: int = 0, *, is_searched: bool = False) -> None:
    """Refuse a slow expression."""
    parsed = _parser.parse(expression, flags)
    edges = _sequence(parsed, parsed.state)
    if is_searched and edges.first:
        raise SlowExpressionError(f"{expression!r} begins with an unbounded repeat")


def expressions_in(folder: Path) -> Iterator[Found]:
    """Yield the expressions in the source of a package; each must be written where it is used."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        searched = {name for name, method in _methods(tree) if method in SEARCHING}
        for call, name in _calls(tree):
            pattern = call.args[0] if call.args else None
            place = f"{path.relative_to(folder)}:{call.lineno}"
            if isinstance(pattern, ast.Call):  # compiled there
                continue
            assert isinstance(pattern, ast.Constant), f"{place}: not a literal"
            is_searched = name in SEARCHING or bool(searched & _targets(tree, call))
            yield Found(place, _text(pattern.value), _flags(call), is_searched)


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if (
                name in SEARCHING | ANCHORED
            ):
                yield node, name
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in {
                "RegexValidator",
                "re_path",
            }:
                yield node, name


def _methods(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=method):
                yield name, method


def _targets(tree: ast.AST, call: ast.Call) -> set[str]:
    """Return the names to which the result of a call is assigned."""
    return {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value is call
        for name in node.targets
        if isinstance(name, ast.Name)
    }


def _flags(call: ast.Call) -> int:
    text = " ".join(ast.unparse(each) for each in [*call.args[1:], *call.keywords])
    return sum({int(getattr(re, name)) for name in re.findall(r"\bre\.([A-Z]+)\b", text)})


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


# --- what stands side by side -----------------------------------------------------------------


def _sequence(items: Any, state: Any) -> Edges:
    first: set[Characters] = set()
    last: set[Characters] = set()
    may_be_empty = True
    for item in items:
        edges = _item(item, state)
        _refuse_shared(last, edges.first)
        if may_be_empty:
            first |= edges.first
        last = edges.last | (last if edges.may_be_empty else set())
        may_be_empty = may_be_empty and edges.may_be_empty
    return Edges(first, last, may_be_empty)


def _item(item: Any, state: Any) -> Edges:
    kind, argument = item
    if kind in _REPEATS:
        least, most, body = argument
        return _repeat(least, most, body, state)
    if kind is _constants.SUBPATTERN:
        return _sequence(argument[3], state)
    if kind is _constants.BRANCH:
        branches = [_sequence(each, state) for each in argument[1]]
        return Edges(
            set().union(*(each.first for each in branches)),
            set().union(*(each.last for each in branches)),
            any(each.may_be_empty for each in branches),
        )
    if kind in _NOTHING:
        if kind is not _constants.AT:
            _sequence(argument[1], state)
        return Edges(set(), set(), may_be_empty=True)
    return Edges(set(), set(), may_be_empty=False)


def _repeat(least: int, most: int, body: Any, state: Any) -> Edges:
    inner = _sequence(body, state)
    may_be_empty = least == 0 or inner.may_be_empty
    if most > 1:
        _refuse_shared(inner.last, inner.first)
    if most is not _constants.MAXREPEAT:
        return Edges(inner.first, inner.last, may_be_empty)
    own = {_characters(body, state)}
    return Edges(own | inner.first, own | inner.last, may_be_empty)


def _refuse_shared(last: set[Characters], first: set[Characters]) -> None:
    for one in last:
        for other in first:
            if shared := one & other:
                text = f"two unbounded repeats side by side match {min(shared)!r}"
                raise SlowExpressionError(text)


def _characters(items: Any, state: Any) -> Characters:
    found: set[str] = set()
    for kind, argument in items:
        if kind in _REPEATS:
            found |= _characters(argument[2], state)
        elif kind is _constants.SUBPATTERN:
            found |= _characters(argument[3], state)
        elif kind is _constants.BRANCH:
            found.update(*(_characters(each, state) for each in argument[1]))
        elif kind not in _NOTHING:
            single = _compiler.compile(_parser.SubPattern(state, [(kind, argument)]))
            found.update(filter(single.fullmatch, _ALPHABET))
    return frozenset(found)


assert sys.version_info >= (3, 11)  # `sre_parse` had another name before
