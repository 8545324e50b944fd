"""What ``dasf_broker`` exports, and that it costs nothing before Django is ready."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dasf_broker
from dasf_broker import api

ROOT = Path(dasf_broker.__file__).parent

_BEFORE_DJANGO = """
import sys
import dasf_broker
assert "publish" in dir(dasf_broker)
assert dasf_broker.__version__
assert not [name for name in sys.modules if name.partition(".")[0] in ("django", "strawberry")]
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                                   "guardian", "dasf_broker"])
django.setup()
from dasf_broker import publish, subscribe
assert callable(publish) and callable(subscribe)
"""

_TEST_ENVIRONMENT = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes"])
django.setup()
from dasf_broker import test_mode
assert not test_mode.are_running()
from django.test.utils import setup_test_environment, teardown_test_environment
assert not test_mode.are_running()
setup_test_environment()
assert test_mode.are_running()
teardown_test_environment()
assert not test_mode.are_running()
"""


def test_imports_before_django_is_ready() -> None:
    """The package is imported first; what it exports is there when Django is."""
    _run(_BEFORE_DJANGO)


def test_tests_of_hosts_are_told_from_production() -> None:
    """By what Django does at the beginning and the end of tests, whichever runner there is."""
    _run(_TEST_ENVIRONMENT)


def test_all_names_are_sorted_and_there() -> None:
    """The two lists are one, each name leads to its object, and type checkers see the same."""
    assert dasf_broker.__all__ == api.__all__
    for name in dasf_broker.__all__:
        assert getattr(dasf_broker, name) is getattr(api, name)
    assert sorted(_imported_for_type_checkers()) == sorted(dasf_broker.__all__)


def test_other_names_are_missing() -> None:
    """What is not exported is no attribute, as with any module."""
    with pytest.raises(AttributeError, match="no attribute 'Hub'"):
        _ = dasf_broker.Hub


def _run(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def _imported_for_type_checkers() -> list[str]:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
