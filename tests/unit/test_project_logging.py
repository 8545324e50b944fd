"""Lines of the log: when, how bad, and from which logger."""

from __future__ import annotations

import logging.config
import re
from pathlib import Path
from typing import Any

import dasf_broker
from dasf_broker.management.demo.server import _config
from testproject import settings as project
from tests.docs.pages import read, table


def test_lines_of_the_demo_have_a_time() -> None:
    """Its own and the server's, which has no configuration besides."""
    assert _config().log_config is None
    _check(project.LOGGING)


def test_the_example_of_the_guide() -> None:
    """It is that of the project, and does what it says."""
    [example] = (each for each in read("howto/logs.md").blocks if each.kind == "python")
    given: dict[str, Any] = {}
    exec(example.text, given)  # noqa: S102 - a page of ours
    _check(given["LOGGING"])


def test_the_table_names_all_loggers() -> None:
    """Each module that logs is below one of them, and each of them is that of a module."""
    folder = Path(dasf_broker.__file__).parent
    modules = {
        ".".join(["dasf_broker", *path.relative_to(folder).with_suffix("").parts])
        for path in folder.rglob("*.py")
        if "getLogger(__name__)" in path.read_text(encoding="utf-8")
    }
    told = {row[0].strip("`") for row in table("howto/logs.md", "logger")} - {"psycopg.pool"}
    of_modules = {each: {name for name in told if _is_below(each, name)} for each in modules}
    assert all(len(each) == 1 for each in of_modules.values()), of_modules
    assert set().union(*of_modules.values()) == told


def _is_below(module: str, logger: str) -> bool:
    return module == logger or module.startswith(f"{logger}.")


def _check(config: dict[str, Any]) -> None:
    configurator = logging.config.DictConfigurator(config)
    formatter: Any = configurator.configure_formatter(config["formatters"]["timed"])
    record = logging.makeLogRecord(
        {"name": "dasf_broker.database", "levelname": "WARNING", "msg": "The database failed"}
    )
    line = formatter.format(record)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d [\d:,]+ WARNING dasf_broker.database: The database failed", line
    )
    assert config["root"]["handlers"] == ["console"]
