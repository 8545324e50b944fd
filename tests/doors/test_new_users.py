"""The commands make users by the managers of the models that projects have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import IntegrityError

from dasf_broker.management.base import new_user

pytestmark = pytest.mark.django_db


class _Djangos:
    """The signature of Django's own manager, here of a model with logins by email."""

    def create_user(self, username: str, email: str | None = None, password: Any = None) -> Any:
        return username, email, password

    create_superuser = create_user


class _ByEmail:
    """The signature of a manager of a model without a ``username``."""

    def create_user(self, email: str, password: Any = None, **_: Any) -> Any:
        return email, password


class _Demanding(_ByEmail):
    """It asks for more than a name."""

    def create_user(self, email: str, password: Any = None, *, born: str = "", **_: Any) -> Any:
        if not born:
            raise ValueError("Give a date of birth.")
        return email, password


class _Unique(_ByEmail):
    """The database refuses its row."""

    def create_user(self, *_: Any, **__: Any) -> Any:
        raise IntegrityError("NOT NULL constraint failed: people.born")


class _WithoutNames:
    """It takes no name at all."""

    def create_user(self, number: int) -> Any:
        return number


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts a manager in the place of that of the user model."""

    def put(manager: Any) -> None:
        model = SimpleNamespace(USERNAME_FIELD="email", _default_manager=manager)
        monkeypatch.setattr("dasf_broker.management.base.get_user_model", lambda: model)

    return put


def test_managers(use: Any) -> None:
    """A name becomes what people log in with, whatever else the manager asks for."""
    use(_ByEmail())
    assert new_user("a@example.org") == ("a@example.org", None)
    use(_Djangos())
    assert new_user("a@example.org", password="x") == ("a@example.org", "a@example.org", "x")
    assert new_user("admin", is_superuser=True) == ("admin", "admin", None)


@pytest.mark.parametrize(
    ("manager", "reason"),
    [(_Demanding, "date of birth"), (_Unique, "people.born"), (_WithoutNames, "argument")],
)
def test_a_name_is_not_enough(use: Any, manager: type, reason: str) -> None:
    """The command says why, and what to do."""
    use(manager())
    with pytest.raises(CommandError, match=rf"'a@example.org'.*{reason}.*Create the user first"):
        new_user("a@example.org")
