"""The configurations of other programs: what they say holds together, and they can be read."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from dasf_broker.management.commands import dasf_housekeeping
from tests.acceptance.servers import AS_IN_README
from tests.docs.pages import files_of

UNITS = {
    Path(path).name: text
    for path, text in files_of("howto/systemd.md").items()
    if path.endswith(".service")
}
[NGINX] = files_of("howto/nginx.md").values()
COMPOSE: Any = yaml.safe_load(files_of("howto/compose.md")["compose.yaml"])
DOCKERFILE = files_of("howto/compose.md")["Dockerfile"]


def test_units_start_what_is_there() -> None:
    """Servers get the flags that are tested; the housekeeping is the command that there is."""
    server, housekeeping = (_section(text, "Service")["ExecStart"] for text in UNITS.values())
    assert shlex.split(server)[1:4] == ["mysite.asgi:application", "--port", "%i"]
    assert _contains(shlex.split(server), AS_IN_README)
    name = Path(dasf_housekeeping.__file__).stem
    assert shlex.split(housekeeping)[1:] == ["manage.py", name, "--loop"]
    for text in UNITS.values():
        assert _section(text, "Service")["EnvironmentFile"] in files_of("howto/systemd.md")


def test_units_are_understood(tmp_path: Path) -> None:
    """The units have their sections, and systemd finds nothing wrong where it is installed."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program in ("uvicorn", "python"):
        (tmp_path / ".venv" / "bin" / program).symlink_to("/bin/true")
    for name, text in UNITS.items():
        (tmp_path / name).write_text(text.replace("/srv/mysite", str(tmp_path)), encoding="utf-8")
    if (verify := shutil.which("systemd-analyze")) is not None:
        units = [str(tmp_path / name.replace("@.", "@8000.")) for name in UNITS]
        for unit in units:
            if "@8000" in unit:
                Path(unit).symlink_to(unit.replace("@8000", "@"))
        done = subprocess.run(
            [verify, "verify", "--man=no", *units],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert all(
        _parsed(text).sections() == ["Unit", "Service", "Install"] for text in UNITS.values()
    )


def test_nginx_configuration(tmp_path: Path) -> None:
    """Blocks and directives are closed, and websockets and long silences are provided for."""
    words = shlex.split(re.sub(r"([;{}])", r" \1 ", NGINX), comments=True)
    assert words.count("{") == words.count("}") == 5
    # A directive ends with a semicolon, or opens a block.
    assert not re.findall(r"^\s*\w[^;{}#]*$", NGINX, re.MULTILINE)
    directives = dict(
        re.findall(r"^\s*(proxy_(?!set_header)\w+|client_\w+) (.*);$", NGINX, re.MULTILINE)
    )
    assert directives == {
        "client_max_body_size": "8m",
        "proxy_pass": "http://mysite",
        "proxy_http_version": "1.1",
        "proxy_read_timeout": "1h",
        "proxy_buffering": "off",
    }
    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", NGINX))
    assert headers["Upgrade"] == "$http_upgrade"
    assert headers["Connection"] in NGINX.split("map ", 1)[1]
    if (nginx := shutil.which("nginx")) is not None:
        _ask_nginx(nginx, tmp_path)


def test_image_and_services() -> None:
    """The image serves with the flags that are tested; each service can be started."""
    [command] = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert _contains(json.loads(command), AS_IN_README)
    services = COMPOSE["services"]
    assert set(services) == {"migrate", "server", "housekeeping", "database", "redis"}
    unit = _section(UNITS["mysite-housekeeping.service"], "Service")["ExecStart"]
    assert unit.endswith(services["housekeeping"]["command"].removeprefix("python"))
    environment = services["server"]["environment"]
    account = services["database"]["environment"]
    assert environment["DATABASE_URL"] == (
        f"postgres://{account['POSTGRES_USER']}:{account['POSTGRES_PASSWORD']}"
        f"@database/{account['POSTGRES_DB']}"
    )
    assert set(services["server"]["depends_on"]) <= set(services)


def _parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="none", strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser


def _section(text: str, name: str) -> dict[str, str]:
    return dict(_parsed(text).items(name))


def _contains(words: list[str], wanted: list[str]) -> bool:
    """Tell whether the words contain the wanted ones, one behind the other."""
    width = len(wanted)
    return any(words[i : i + width] == wanted for i in range(len(words)))


def _ask_nginx(nginx: str, folder: Path) -> None:
    text = re.sub(r"^\s*(listen 443 ssl|ssl_\w+ .*);$", "", NGINX, flags=re.MULTILINE)
    whole = f"pid {folder}/nginx.pid;\nevents {{}}\nhttp {{\n{text}\n}}\n"
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    done = subprocess.run(
        [nginx, "-t", "-c", folder / "nginx.conf", "-p", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
