"""Where the broker reads and writes, whatever the routers of a host say."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from pytest_django import Settings

import dasf_broker
from dasf_broker import primary
from dasf_broker.checks.databases import check_database
from dasf_broker.models import (
    ApiToken,
    BrokerMessage,
    BrokerTopic,
    BrokerTopicUserPermission,
    ResponseTopic,
)

PACKAGE = Path(dasf_broker.__file__).parent

#: What Django does in the database `default`, unless another one is named.
OF_A_DATABASE = {"atomic", "on_commit", "get_connection", "set_rollback", "savepoint"}


class Routes:
    """A router that reads from a replica, and writes some models elsewhere than to ``default``."""

    def __init__(self, **others: str) -> None:
        self._others = others

    def db_for_read(self, model: type[Model], **_: Any) -> str:  # noqa: ARG002
        """Return the replica."""
        return "replica"

    def db_for_write(self, model: type[Model], **_: Any) -> str:
        """Return where the model is written."""
        return self._others.get(model.__name__, "default")


@pytest.fixture(autouse=True)
def _with_a_replica(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [Routes()]


# --- where ------------------------------------------------------------------------------------


def test_the_tables_are_where_they_are_written(settings: Settings) -> None:
    """The host's router says it, and is asked each time."""
    assert primary.alias() == "default"
    settings.DATABASE_ROUTERS = [Routes(BrokerTopic="main")]
    assert primary.alias() == "main"


def _of_the_replica(model: Callable[..., Any]) -> Any:
    row = model(pk=1)
    row._state.db = "replica"
    return row


@pytest.mark.parametrize(
    "rows",
    [
        lambda: BrokerTopic.objects,
        lambda: ResponseTopic._base_manager,
        lambda: ResponseTopic.source_messages.through._default_manager,
        lambda: BrokerTopicUserPermission.objects,
        lambda: _of_the_replica(BrokerTopic).brokermessage_set,
        lambda: _of_the_replica(BrokerTopic).responsetopics,
        lambda: _of_the_replica(BrokerMessage).acknowledgements,
        lambda: _of_the_replica(User).dasf_tokens,
    ],
)
def test_what_decides_is_read_there(rows: Callable[[], Any]) -> None:
    """By all ways to the broker's tables."""
    primary.install()
    assert rows().all().db == "default"


def test_explicit_databases_stay() -> None:
    """A host may read the broker's tables from the replica, if it says so."""
    assert BrokerTopic.objects.using("replica").db == "replica"


def test_all_is_read_there_while_the_broker_works() -> None:
    """But not before and afterwards, nor in other threads."""

    def place() -> str:
        return Group.objects.all().db

    assert place() == "replica"
    with primary.reads(), ThreadPoolExecutor() as threads:
        with suppress(ZeroDivisionError), primary.reads():
            raise ZeroDivisionError
        assert place() == "default"
        assert threads.submit(place).result() == "replica"
    assert place() == "replica"


# --- the checks -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [User, Group, ContentType, ApiToken, User.groups.through])
def test_what_belongs_together_is_in_one_database(model: type[Model], settings: Settings) -> None:
    """The check names the model that is elsewhere, and both databases."""
    settings.DATABASE_ROUTERS = [Routes(**{model.__name__: "other"})]
    assert f"{model._meta.label} to 'other'" in " ".join(str(each) for each in check_database())


def test_one_database_for_all_is_no_mistake(settings: Settings) -> None:
    """Wherever it is read."""
    settings.DATABASE_ROUTERS = [type("Router", (), {"db_for_read": Routes.db_for_read})()]
    assert check_database() == []


def test_the_database_exists(settings: Settings) -> None:
    """A router may name one that is not among DATABASES."""
    settings.DATABASE_ROUTERS = [Routes(BrokerTopic="main")]
    [error] = check_database()
    assert error.id == "dasf_broker.E013"
    assert "'main', which is none of DATABASES (default)" in error.msg


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "microsoft", "cockroachdb"])
def test_other_databases_are_not_supported(
    vendor: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check says which are, and does not connect."""
    settings.DATABASE_ROUTERS = []
    connection = primary.connection()
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setattr(connection, "connect", lambda: pytest.fail("it connected"))
    [error] = check_database()
    assert error.id == "dasf_broker.E012"
    assert error.msg.endswith(f"'default', and the broker does not support {vendor}.")
    assert "PostgreSQL 14 or later, or SQLite 3.31 or later" in str(error.hint)


# --- no other way -----------------------------------------------------------------------------


def test_nothing_depends_on_the_default_database() -> None:
    """Transactions, commit hooks and connections are those of the broker's database."""
    assert [*_of_the_default_database()] == []


def _of_the_default_database() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        # A function may be given a database by its caller, and then names it.
        named = {
            id(node.func)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and any(each.arg == "using" for each in node.keywords)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(ast.Name("transaction"), name) if name in OF_A_DATABASE:
                    if id(node) not in named:
                        yield f"{path}:{node.lineno}: transaction.{name}, instead of primary's"
                case ast.ImportFrom("django.db", names=names):
                    for each in names:
                        if each.name in {"connection", "DEFAULT_DB_ALIAS"}:
                            yield f"{path}:{node.lineno}: {each.name}"
                case ast.Attribute(_, "sql_with_params"):
                    yield f"{path}:{node.lineno}: sql_with_params, instead of a compiler's as_sql"
                case ast.Subscript(ast.Name("connections"), ast.Constant(name)):
                    yield f"{path}:{node.lineno}: connections[{name!r}]"


@pytest.mark.parametrize("path", sorted((PACKAGE / "migrations").glob("0*.py")), ids=str)
def test_migrations_stay_in_their_database(path: Path) -> None:
    """One that changes rows takes them from the database that is migrated, if they are there."""
    text = path.read_text()
    assert "RunSQL" not in text
    if "RunPython(" in text:
        assert "schema_editor.connection.alias" in text
        assert "router.allow_migrate_model(" in text
        assert text.count(".objects") == text.count(".objects.using(")
