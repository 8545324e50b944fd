"""The built files are what ``frontend/`` is built to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FRONTEND = ROOT / "frontend"
BUILT = Path("dasf_broker/static/dasf_broker/graphiql")

#: Bytes, before compression: everybody who installs the package gets them.
MOST_BYTES = 6_000_000


def test_it_is_up_to_date(tmp_path: Path) -> None:
    """Building anew, in another folder, gives the same bytes."""
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(FRONTEND, tmp_path / "frontend", ignore=ignored)
    shutil.copytree(ROOT / "examples" / "graphql", tmp_path / "examples" / "graphql")
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=tmp_path / "frontend")
    run("npm", "run", "build", cwd=tmp_path / "frontend")
    assert contents(tmp_path / BUILT) == contents(ROOT / BUILT)


def test_it_is_complete() -> None:
    """Scripts and styles are there, not too large, and name no other file of ours."""
    built = contents(ROOT / BUILT)
    assert built.keys() == {
        "LICENSES.md",
        "editor.worker.js",
        "graphql.worker.js",
        "json.worker.js",
        "main.css",
        "main.js",
    }
    assert sum(map(len, built.values())) < MOST_BYTES
    # A renamed or moved file would not be found: pictures and fonts are inside.
    urls = re.findall(rb"url\(\s*[\"']?([^\"')]{1,60})", built["main.css"])
    assert urls
    assert all(url.startswith((b"data:", b"#")) for url in urls), urls
    assert b"sourceMappingURL" not in b"".join(built.values())


def test_versions_are_exact() -> None:
    """What is built from is pinned, and nothing says where to download it."""
    package = json.loads((FRONTEND / "package.json").read_text(encoding="utf-8"))
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    lock = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))
    locked = [each for path, each in lock["packages"].items() if path]
    assert len(locked) > len(wanted)
    assert not any("resolved" in each for each in locked)
    assert all("integrity" in each for each in locked)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*command: str, cwd: Path) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
