"""The tests, on each version of Python and Django that ``pyproject.toml`` says is supported.

A version that is named there and cannot be run here is a failure; the one that runs this file has
all other tests. What was installed for a version is kept in ``build/versions``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from django import VERSION

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = ROOT / "requirements" / "dev.txt"
ENVIRONMENTS = ROOT / "build" / "versions"

#: What needs neither another machine nor a version of its own.
TESTS = ("tests/unit", "tests/operations", "tests/doors")

#: From which version of Python on a series of Django can be installed.
NEEDS = {"5.2": (3, 10), "6.0": (3, 12), "6.1": (3, 12)}

#: What the tests themselves run on must not be seen by others.
_OURS = ("DASF_", "DATABASE_URL", "DJANGO_", "PYTEST", "PYTHON", "REDIS_URL", "VIRTUAL_ENV")


def _named(classifier: str) -> list[str]:
    found = (re.fullmatch(rf"{classifier} :: (\d+\.\d+)", each) for each in PROJECT["classifiers"])
    return sorted((each[1] for each in found if each), key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


PYTHONS, DJANGOS = _named("Programming Language :: Python"), _named("Framework :: Django")


def _pairs() -> Iterator[tuple[str, str]]:
    """Yield each Python with the oldest and the newest Django, and the newest with all."""
    for python, series in product(PYTHONS, DJANGOS):
        is_end = series in {DJANGOS[0], DJANGOS[-1]} or python == PYTHONS[-1]
        if is_end and _numbers(python) >= NEEDS[series]:
            yield python, series


PAIRS = [*_pairs()]
THIS = (f"{sys.version_info[0]}.{sys.version_info[1]}", f"{VERSION[0]}.{VERSION[1]}")


def test_each_named_version_is_run() -> None:
    """The bounds of the package say what its classifiers say, and no version is left out."""
    assert THIS in PAIRS
    assert {python for python, _ in PAIRS} == set(PYTHONS)
    assert {series for _, series in PAIRS} == set(DJANGOS) == set(NEEDS)
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    major, minor = _numbers(DJANGOS[-1])
    bound = f"{major + 1}.0" if minor == 2 else f"{major}.{minor + 1}"
    assert f"django>={DJANGOS[0]},<{bound}" in PROJECT["dependencies"]


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("python", "series"), [pair for pair in PAIRS if pair != THIS])
def test_version(python: str, series: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All tests of what is the same on each database."""
    interpreter = _environment(python, series)
    command = [interpreter, "-m", "pytest", "--backend=sqlite", "--numprocesses=2", "-q", *TESTS]
    done = _run(*command, "-p", "no:cacheprovider")
    with capsys.disabled():
        print(f"\n{_run(interpreter, '-c', _WHAT).stdout.strip()}: {_last_line(done.stdout)}")  # noqa: T201
    assert done.returncode == 0, done.stdout


_WHAT = """
import platform, django
print("Python", platform.python_version() + ", Django", django.get_version())
"""


def _environment(python: str, series: str) -> str:
    """Return the interpreter of an environment with these versions; make it if there is none."""
    folder = ENVIRONMENTS / f"python-{python}-django-{series}"
    interpreter, made_of = str(folder / "bin" / "python"), folder / "made-of"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + REQUIREMENTS.read_bytes())
    if made_of.exists() and made_of.read_text() == wanted.hexdigest():
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    override = ENVIRONMENTS / f"django-{series}.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    override.write_text(f"django~={series}.0\n")
    uv = str(Path(sys.prefix) / "bin" / "uv")
    install = ["--python", interpreter, "--override", str(override), "-r", str(REQUIREMENTS)]
    for command in (
        [uv, "venv", "--quiet", "--python", _interpreter(python), str(folder)],
        [uv, "pip", "install", "--quiet", *install, "--editable", str(ROOT)],
    ):
        done = _run(*command)
        assert done.returncode == 0, done.stdout
    made_of.write_text(wanted.hexdigest())
    return interpreter


def _interpreter(python: str) -> str:
    """Find an interpreter: of the system, or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted((pyenv / "versions").glob(f"{python}.*/bin/python"))
    found = [*map(str, installed[-1:]), shutil.which(f"python{python}")]
    if not any(found):
        pytest.fail(
            f"pyproject.toml names Python {python}, and python{python} is not on this machine: "
            "install it, or take the classifier out.",
            pytrace=False,
        )
    return next(each for each in found if each)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]
