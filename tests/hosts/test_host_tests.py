"""The tests of a host project pass, in the usual styles, and end with 0."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import services

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
PROJECT = Path(__file__).parent / "project"

#: What the tests themselves run on must not be seen by the host's.
_OURS = ("DASF_", "DATABASE_URL", "DJANGO_", "PYTEST", "REDIS_URL")

#: How the databases of hosts are set up.
DATABASES: dict[str, Mapping[str, str]] = {
    "sqlite": {},
    "sqlite in a file": {"HOST_TEST_DATABASE": "test.sqlite3"},
    "postgres": {"HOST_DATABASE_URL": ""},
    "postgres with a pool": {"HOST_DATABASE_URL": "", "HOST_POOL": "yes"},
}

Environment = Mapping[str, str]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Run PostgreSQL; return its URL."""
    with services.postgres() as url:
        yield url


@pytest.fixture(params=DATABASES)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Environment:
    """Return the environment of a host project's developer, for each database in turn."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own = dict(DATABASES[request.param])
    if "HOST_DATABASE_URL" in own:
        own["HOST_DATABASE_URL"] = request.getfixturevalue("postgres")
    elif "HOST_TEST_DATABASE" in own:
        own["HOST_TEST_DATABASE"] = str(tmp_path / own["HOST_TEST_DATABASE"])
    paths = {"PYTHONPATH": f"{ROOT}:{PROJECT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**inherited, **own, **paths}


def test_django(environment: Environment) -> None:
    """``manage.py test`` with ``TestCase`` and ``TransactionTestCase``, sync and async."""
    printed = _run(environment, "manage.py", "test", "--shuffle")
    assert re.search(r"^Ran 29 tests", printed, re.MULTILINE), printed
    assert "Destroying test database" in printed
    assert "Exception" not in printed
    assert "Traceback" not in printed


def test_pytest(environment: Environment) -> None:
    """Pytest with ``django_db``, in a transaction and without one; a warning is an error."""
    printed = _run(environment, "-m", "pytest", "-p", "no:cacheprovider")
    assert "20 passed" in printed
    assert "warning" not in printed.lower()


def _run(environment: Environment, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
