"""The site is built without a warning, and has what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from enum import Enum
from html import unescape
from pathlib import Path

import pytest

from dasf_broker import exceptions
from dasf_broker.app_settings import DEFAULTS
from dasf_broker.transports.connection.close_codes import CloseCode
from tests.docs.pages import DOCS, HOW_TO, ROOT, TUTORIAL, read

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does, elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [options] = re.findall(r"-m sphinx (.*) -d build/doctrees docs build/docs\n", makefile)
    assert "--fail-on-warning" in options
    command = ["-m", "sphinx", *options.split(), "-d", folder / "doctrees", DOCS, folder / "html"]
    built = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    return folder / "html"


def test_generated_parts(site: Path) -> None:
    """Settings, codes, commands and the schema are all there."""
    commands = (ROOT / "dasf_broker" / "management" / "commands").glob("[a-z]*.py")
    codes = {kind.code for kind in exceptions.BrokerError.__subclasses__()}
    expected = {
        "settings": set(DEFAULTS),
        "errors": codes | {exceptions.INTERNAL},
        "closing": {str(close.value) for close in CloseCode},
        "commands": {path.stem for path in commands},
        "schema": {"publishMessage", "StoragePolicy", "outstandingMessages", "PublishMany"},
    }
    for page, words in expected.items():
        text = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        assert not {word for word in words if word not in text}, page


def test_settings(site: Path) -> None:
    """Each setting has its default and its meaning; those of a theme stand together."""
    page = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split()).replace("’", "'")  # noqa: RUF001
    for name, setting in DEFAULTS.items():
        told = setting.meaning.replace("`", "")
        default = setting.default
        shown = f"as {default}" if _is_another(default) else _shown(default)
        assert f"{told} Default: {shown} · type: " in text, name
    headings = re.findall(r"<h2>(.*?)<a", page)
    assert headings == [*dict.fromkeys(each.theme for each in DEFAULTS.values()), "System checks"]


def test_nothing_from_elsewhere(site: Path) -> None:
    """The pages load nothing from other hosts."""
    loads = re.compile(r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]+)"')
    assert not {url for page in site.rglob("*.html") for url in loads.findall(page.read_text())}


def test_javascript_is_tested() -> None:
    """JavaScript is included from examples, which tests of clients import."""
    tests = [
        *(ROOT / "tests" / "clients").rglob("*.py"),
        *(ROOT / "tests" / "clients").rglob("*.js"),
    ]
    tests += [*(ROOT / "tests" / "clients").rglob("*.mjs")]
    tested = "".join(p.read_text(encoding="utf-8") for p in tests if "node_modules" not in p.parts)
    for page in map(read, [TUTORIAL, *HOW_TO]):
        assert not [str(block) for block in page.blocks if block.kind in {"js", "javascript"}]
        for block in page.blocks:
            if block.kind == "{literalinclude}" and block.argument.endswith(".js"):
                path = (DOCS / page.name).parent.joinpath(block.argument).resolve()
                example = path.relative_to(ROOT / "examples")
                assert path.is_file()
                assert example.name in tested or example.parts[0] in tested, str(block)


def _is_another(default: object) -> bool:
    return isinstance(default, str) and default in DEFAULTS


def _shown(default: object) -> str:
    return repr(default.value if isinstance(default, Enum) else default).replace("'", '"')
