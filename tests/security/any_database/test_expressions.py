"""No expression of the package takes longer than its text is long."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import dasf_broker
from tests.security.expressions import Found, SlowExpressionError, check, expressions_in

PACKAGE = Path(dasf_broker.__file__).parent
EXPRESSIONS = [*expressions_in(PACKAGE)]

SLOW = [
    r"\s*\s*x",
    r"\s*(x?)\s*",
    r"\d+[\d_]*",
    r"(a+)+",
    r"(?:a*b?)*",
    r"(?:[^,]*,?)+",
    r"x(\w*)(-?)\w*y",
    r"(?=a*a*b)x",
    r"a*(?:b|a*)c",
    r".*.*=",
    r"(\s*){3}x",
]
QUICK = [
    r"\s*=\s*",
    r"(\d[\d_]*)\s*/",
    r"[A-Za-z0-9+/]*={0,2}",
    r"(?:ab+)*",
    r"(?:[a-z]+,)*",
    r"\d*\D*",
    r"a{1,9}a*",
]


@pytest.mark.parametrize("found", EXPRESSIONS, ids=lambda each: each.place)
def test_expression(found: Found) -> None:
    """It has no unbounded repeats side by side, and no search begins with one."""
    check(found.expression, found.flags, is_searched=found.is_searched)


def test_all_are_found() -> None:
    """What is compiled when the modules are loaded is what the source shows."""
    names = [each.name for each in pkgutil.walk_packages([str(PACKAGE)], "dasf_broker.")]
    modules = [importlib.import_module(name) for name in names if ".migrations." not in name]
    compiled = {
        each.pattern
        for module in modules
        for each in vars(module).values()
        if isinstance(each, re.Pattern)
    }
    shown = {each.expression for each in EXPRESSIONS}
    assert compiled
    assert {text if isinstance(text, str) else text.decode() for text in compiled} <= shown


@pytest.mark.parametrize("expression", SLOW)
def test_slow_ones_are_refused(expression: str) -> None:
    """They would be seen above."""
    with pytest.raises(SlowExpressionError):
        check(expression)


@pytest.mark.parametrize("expression", QUICK)
def test_quick_ones_are_not(expression: str) -> None:
    """Repeats of different characters do no harm."""
    check(expression)


def test_searches_that_begin_with_a_repeat() -> None:
    """They begin again at each character."""
    check(r"\s*Did you mean", is_searched=False)
    with pytest.raises(SlowExpressionError):
        check(r"\s*Did you mean", is_searched=True)
